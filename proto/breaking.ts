/**
 * Compares the two contracts with those of the last release in proto/baseline.binpb: a field, message or RPC may be added, but
 * not removed, renamed, renumbered or given another type (docs/ABI.md, section 9). Fetches nothing.
 *
 *     sh host/kleidi-node proto/breaking.ts            compare; exit 0: compatible, 1: not compatible
 *     sh host/kleidi-node proto/breaking.ts --renew    at a release: compare, then write the baseline
 */
import { spawnSync } from "node:child_process";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const BASELINE = join(import.meta.dirname, "baseline.binpb");

/**
 * @param checkout the folder with buf.yaml and proto/
 * @param baseline a descriptor set, as writeBaseline writes it
 * @returns one line per incompatible change, or per error in a file: file, position, description
 * @throws Error if buf could not compare
 * @example breakingChanges(root) // ["proto/provider/v1/provider.proto:32:1:Previously present field \"2\" …"]
 */
export function breakingChanges(checkout: string, baseline: string = BASELINE): string[] {
  const { status, stdout, stderr } = buf(checkout, ["breaking", "--against", baseline]);
  // 100: buf found some. Any other code is an error in a file or in buf.
  if (status !== 0 && status !== 100) throw new Error(`Cannot compare the contracts: ${stderr}${stdout}`);
  return stdout.split("\n").filter((line) => line !== "");
}

/**
 * Writes the contracts of a checkout without comments and positions, so that a change of a comment changes no byte.
 * @param to the baseline, replaced atomically
 * @throws Error if buf could not read the contracts
 */
export function writeBaseline(checkout: string, to: string = BASELINE): void {
  const next = `${to}.new`;
  // buf derives the format from the file name unless it is given.
  const output = ["--output", `${next}#format=binpb`];
  const run = buf(checkout, ["build", "--as-file-descriptor-set", "--exclude-source-info", ...output]);
  if (run.status !== 0) throw new Error(`Cannot write the baseline ${to}: ${run.stderr}${run.stdout}`);
  renameSync(next, to);
}

function buf(cwd: string, args: readonly string[]) {
  return spawnSync(join(root, "node_modules", ".bin", "buf"), args, { cwd, encoding: "utf8" });
}

if (import.meta.main) {
  const renew = process.argv.includes("--renew");
  // Without a baseline there is nothing to compare with; creating one is a decision that the history shows.
  const changes = renew && !existsSync(BASELINE) ? [] : breakingChanges(root);
  for (const change of changes) console.error(change);
  if (changes.length > 0) {
    console.error(
      "These changes break the released contracts: add a field or an operation instead, or a new version of the contract (docs/ABI.md, section 9).",
    );
    process.exitCode = 1;
  } else if (renew) writeBaseline(root);
}
