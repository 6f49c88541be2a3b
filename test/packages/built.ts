/** Builds packages of two versions, once for the same files. The second version has another module of the local provider. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type BuiltDist, builtDist } from "../../.ci/dist/built.ts";
import type { Architecture } from "../../.ci/dist/packages.ts";
import { makePackages } from "../../deploy/packages/packages.ts";
import { takeLock } from "../../host/lib/lock.ts";
import { root } from "../support/fixture.ts";

export const OLD = "0.1.0";
export const NEW = "0.2.0";
const CACHE = join(root, ".tmp", "packages");
const WAIT_MS = 1_800_000;

/** @returns the folder that has the packages of both versions */
export async function builtPackages(): Promise<string> {
  const dist = await builtDist();
  mkdirSync(CACHE, { recursive: true });
  const release = takeLock(join(CACHE, "lock"), WAIT_MS);
  try {
    const folder = join(CACHE, keyOf(dist));
    if (!existsSync(folder)) build(dist, folder);
    return folder;
  } finally {
    release();
  }
}

/** Makes the packages of one tree. @param into a folder that exists @returns their names */
export function buildVersion(
  { tree, time }: Pick<BuiltDist, "tree" | "time">,
  into: string,
  version: string,
): string[] {
  return makePackages({ tree, version, arch: process.arch as Architecture, time, into });
}

function build(dist: BuiltDist, folder: string): void {
  for (const name of globSync("*", { cwd: CACHE }))
    if (name !== "lock") rmSync(join(CACHE, name), { recursive: true });
  const into = `${folder}.unfinished`;
  mkdirSync(into);
  buildVersion(dist, into, OLD);
  const tree = join(into, "tree");
  if (spawnSync("cp", ["--archive", dist.tree, tree]).status !== 0)
    throw new Error(`Cannot copy ${dist.tree}`);
  changeModule(join(tree, "providers"));
  buildVersion({ ...dist, tree }, into, NEW);
  rmSync(tree, { recursive: true });
  renameSync(into, folder);
}

/** Adds an empty custom section, which changes only the digest of the module. */
function changeModule(providers: string): void {
  appendFileSync(join(providers, "local.wasm"), Buffer.from([0, 4, 3, ...Buffer.from("new")]));
  const sums = readFileSync(join(providers, "SHA256SUMS"), "utf8");
  const sha256 = createHash("sha256")
    .update(readFileSync(join(providers, "local.wasm")))
    .digest("hex");
  writeFileSync(join(providers, "SHA256SUMS"), sums.replace(/^\w+(?= +local\.wasm$)/m, sha256));
}

function keyOf(dist: BuiltDist): string {
  const hash = createHash("sha256").update(`${dist.folder}\n`);
  for (const file of globSync("deploy/packages/**/*.{ts,sh,mod,sum}", { cwd: root }).sort())
    hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest("hex").slice(0, 16);
}
