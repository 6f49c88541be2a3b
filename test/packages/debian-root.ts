/** Makes the root of a Debian 13 with systemd and the package's dependencies. debootstrap makes it once; it is kept as an archive. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { takeLock } from "../../host/lib/lock.ts";
import { output } from "../support/containers.ts";
import { archiveOf, SUITE } from "../support/debian13.ts";

const PACKAGES = ["bubblewrap", "libatomic1", "libstdc++6", "systemd", "systemd-sysv"];
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "kleidi", "package-root");
const WAIT_MS = 1_800_000;

/** @returns a root in a new folder, which the caller removes */
export function unpackRoot(): string {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-root-"));
  output("tar", ["--extract", "--numeric-owner", "--file", archive(), "--directory", folder]);
  return folder;
}

function archive(): string {
  mkdirSync(CACHE, { recursive: true });
  const content = [SUITE, process.arch, ...PACKAGES].join("\n");
  const key = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const file = join(CACHE, `${key}.tar`);
  const release = takeLock(join(CACHE, "lock"), WAIT_MS);
  try {
    if (!existsSync(file)) make(file);
    return file;
  } finally {
    release();
  }
}

function make(file: string): void {
  const debian = archiveOf();
  if (debian === undefined) throw new Error("Cannot make a root of Debian: apt has no archive of Debian");
  const folder = mkdtempSync(join(CACHE, "root-"));
  try {
    console.log(`Installing Debian 13 into a folder: ${["the base", ...PACKAGES].join(", ")} …`);
    const keyring = "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg";
    const root = join(folder, "root");
    output("debootstrap", [
      "--variant=minbase",
      `--include=${PACKAGES.join(",")}`,
      keyring,
      SUITE,
      root,
      debian,
    ]);
    rmSync(join(root, "var", "cache", "apt", "archives"), { recursive: true, force: true });
    output("tar", [
      "--create",
      "--numeric-owner",
      "--file",
      join(folder, "root.tar"),
      "--directory",
      root,
      ".",
    ]);
    renameSync(join(folder, "root.tar"), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
