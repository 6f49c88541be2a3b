/** Builds the image of kleidí and those of its providers, once for the same files. Tests and benchmarks share them. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type BuiltDist, builtDist } from "../../.ci/dist/built.ts";
import { takeLock } from "../../host/lib/lock.ts";
import { buildah, STORAGE, storageFlags } from "../support/containers.ts";
import { root } from "../support/fixture.ts";
import { baseImage } from "./base.ts";

export const IMAGE = "localhost/kleidi:test";
export const PROVIDER_IMAGE = "localhost/kleidi-provider-local:test";

const DOCKERFILE = join(root, "Dockerfile");
const PROVIDER_DOCKERFILE = join(root, "providers", "Dockerfile");
const WAIT_MS = 1_800_000;

export interface Images {
  /** An OCI archive of IMAGE. */
  readonly kleidi: string;
  /** An OCI archive of PROVIDER_IMAGE: the module of the local provider. */
  readonly provider: string;
}

/** Builds the images, or returns earlier ones of the same files. Both are in the storage too. */
export async function builtImages(): Promise<Images> {
  const dist = await builtDist();
  return locked(() => {
    const folder = join(STORAGE, "archives", keyOf(dist));
    const images = { kleidi: join(folder, "kleidi.tar"), provider: join(folder, "provider.tar") };
    if (existsSync(folder)) return images;
    for (const each of [IMAGE, PROVIDER_IMAGE]) removeImage(each);
    buildKleidi(dist, IMAGE);
    buildProvider(dist, "local", PROVIDER_IMAGE);
    exportAll(folder);
    return images;
  });
}

/**
 * Builds the image of kleidí with the command of docs/image.md.
 * @returns its digest: `sha256:…`
 */
export function buildKleidi(dist: BuiltDist, tag: string): string {
  return buildImage(DOCKERFILE, tag, dist.tree, [
    `NODE=${baseImage()}`,
    `VERSION=${versionOf(dist)}`,
    `REVISION=${dist.commit}`,
  ]);
}

/** The same for the image of a provider's module. */
export function buildProvider(dist: BuiltDist, provider: string, tag: string): string {
  return buildImage(PROVIDER_DOCKERFILE, tag, join(dist.tree, "providers"), [
    `PROVIDER=${provider}`,
    `VERSION=${versionOf(dist)}`,
    `REVISION=${dist.commit}`,
  ]);
}

/** Runs while no other process changes the storage. */
export function locked<T>(work: () => T): T {
  storageFlags();
  const release = takeLock(join(STORAGE, "lock"), WAIT_MS);
  try {
    return work();
  } finally {
    release();
  }
}

/** @returns the digest of the image */
export function buildImage(file: string, tag: string, context: string, args: readonly string[]): string {
  // Isolation without namespaces works in a container too; no step uses the network.
  const isolation = ["--isolation", "chroot", "--network", "host"];
  const named = args.flatMap((each) => ["--build-arg", each]);
  buildah(
    "build",
    ...isolation,
    "--quiet",
    "--timestamp",
    "0",
    ...named,
    "--file",
    file,
    "--tag",
    tag,
    context,
  );
  return digestOf(tag);
}

export function digestOf(tag: string): string {
  return buildah("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", tag);
}

export function removeImage(tag: string): void {
  const [name, version] = tag.split(":");
  const all = buildah("images", "--format", "{{.Name}} {{.Tag}}").split("\n");
  if (all.includes(`${name} ${version}`)) buildah("rmi", "--force", tag);
}

/** Removes the images of earlier builds. */
function exportAll(folder: string): void {
  const parent = join(folder, "..");
  rmSync(parent, { recursive: true, force: true });
  const unfinished = join(parent, "unfinished");
  mkdirSync(unfinished, { recursive: true });
  for (const [tag, file] of [
    [IMAGE, "kleidi.tar"],
    [PROVIDER_IMAGE, "provider.tar"],
  ] as const)
    buildah("push", "--quiet", "--disable-compression", tag, `oci-archive:${join(unfinished, file)}:${tag}`);
  renameSync(unfinished, folder);
  if (readdirSync(parent).length !== 1) throw new Error(`${parent} has more than the images of one build`);
}

const versionOf = ({ name }: BuiltDist) => name.replace(/^kleidi-/, "");

function keyOf(dist: BuiltDist): string {
  const hash = createHash("sha256").update(`${dist.folder}\n`);
  for (const file of [DOCKERFILE, PROVIDER_DOCKERFILE, join(import.meta.dirname, "base.ts")])
    hash.update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}
