/** Builds the packages of this working tree once for all tests. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { takeLock } from "../../host/lib/lock.ts";
import { readFiles, readHead } from "../release/commit.ts";
import { type Dist, makeDist } from "./dist.ts";
import type { Architecture } from "./packages.ts";

const root = join(import.meta.dirname, "..", "..");
const CACHE = join(root, ".tmp", "dist");
/** Changes in these folders do not affect the tree. */
const WITHOUT_EFFECT = /^(test|bench|\.github|deploy\/(helm|packages))\/|\.test\.(ts|yaml)(\.snapshot)?$/;
/** A build takes 12 seconds on one processor, more on a busy machine. */
const WAIT_MS = 600_000;

export interface BuiltDist extends Dist {
  /** The folder that contains the files and the trees. */
  readonly folder: string;
  /** The tree for this machine's processor: a folder with host/kleidi, the packages and Node. Do not write into it. */
  readonly tree: string;
}

/**
 * Builds the packages of the working tree, or returns the ones built earlier from the same files. Blocks while another process
 * builds them.
 * @throws ReleaseFault
 * @example spawnSync(join((await builtDist()).tree, "host/kleidi"), ["--version"])
 */
export async function builtDist(): Promise<BuiltDist> {
  mkdirSync(CACHE, { recursive: true });
  const release = takeLock(join(CACHE, "lock"), WAIT_MS);
  try {
    const folder = join(CACHE, keyOf());
    if (!existsSync(folder)) await build(folder);
    const dist: Dist = JSON.parse(readFileSync(join(folder, "dist.json"), "utf8"));
    return { ...dist, folder, tree: join(folder, `${dist.name}-linux-${process.arch}`) };
  } finally {
    release();
  }
}

async function build(folder: string): Promise<void> {
  for (const name of readdirSync(CACHE)) if (name !== "lock") rmSync(join(CACHE, name), { recursive: true });
  const into = `${folder}.unfinished`;
  mkdirSync(into);
  const architectures = [process.arch as Architecture];
  const dist = await makeDist({ checkout: root, into, architectures, archives: false });
  writeFileSync(join(into, "dist.json"), JSON.stringify(dist));
  renameSync(into, folder);
}

function keyOf(): string {
  const { id, changes } = readHead(root);
  const hash = createHash("sha256").update(`${id} ${changes === ""}\n`);
  for (const path of readFiles(root).filter(
    (each) => !WITHOUT_EFFECT.test(each) && existsSync(join(root, each)),
  ))
    hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  return hash.digest("hex").slice(0, 16);
}
