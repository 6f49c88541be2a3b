/**
 * Makes the base of the image on this machine: Debian 13 by debootstrap, from the archive of this machine's apt, with the Node of the
 * lockfile. It replaces the published image of Debian 13 with Node 26, which other builds name by its digest.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { buildah, output } from "../support/containers.ts";
import { archiveOf, SUITE } from "../support/debian13.ts";
import { root } from "../support/fixture.ts";

const PACKAGES = ["binutils", "libatomic1", "libstdc++6"];
const NODE = `node-linux-${process.arch}`;
/** Archives of bases, shared by all checkouts: making one takes a minute. */
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi", "image-base");

/**
 * Loads the base into the storage. The caller must hold the lock of the storage.
 * @returns the name of the image with its digest, for FROM
 */
export function baseImage(): string {
  const key = keyOf();
  const name = `localhost/kleidi-base-${key}`;
  const archive = join(CACHE, `${key}.tar`);
  if (!hasImage(name) && existsSync(archive)) buildah("pull", "--quiet", `oci-archive:${archive}:${name}`);
  if (!hasImage(name)) make(name, archive);
  return `${name}@${buildah("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", name)}`;
}

function hasImage(name: string): boolean {
  return buildah("images", "--format", "{{.Name}}").split("\n").includes(name);
}

function make(name: string, archive: string): void {
  const debian = archiveOf();
  if (debian === undefined) throw new Error("Cannot make the base image: apt has no archive of Debian");
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "base-"));
  try {
    console.log(`Installing Debian 13 into an image: ${["the base", ...PACKAGES].join(", ")} …`);
    const keyring = "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg";
    const include = `--include=${PACKAGES.join(",")}`;
    output("debootstrap", ["--variant=minbase", include, keyring, SUITE, join(folder, "root"), debian]);
    copyFileSync(
      join(root, "node_modules", NODE, "bin", "node"),
      join(folder, "root", "usr", "local", "bin", "node"),
    );
    const container = buildah("from", "scratch");
    buildah("add", "--quiet", container, join(folder, "root"), "/");
    buildah("commit", "--quiet", "--rm", container, name);
    buildah("push", "--quiet", name, `oci-archive:${join(folder, "base.tar")}:${name}`);
    renameSync(join(folder, "base.tar"), archive);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function keyOf(): string {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const { integrity } = lock.packages[`node_modules/${NODE}`];
  const content = [SUITE, process.arch, integrity, ...PACKAGES].join("\n");
  return createHash("sha256").update(content).digest("hex").slice(0, 12);
}
