/** Checks the steps of docs/releasing.md that must precede the tag of a version. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeBaseline } from "../../proto/breaking.ts";
import type { Commit } from "./commit.ts";
import { ReleaseFault } from "./fault.ts";

/**
 * @param checkout the root of the checkout, without changes
 * @throws ReleaseFault that names the missing step
 */
export function checkTagged(checkout: string, version: string, commit: Commit): void {
  if (!commit.read("CHANGELOG.md").includes(`\n## [${version}] - `))
    throw new ReleaseFault(`CHANGELOG.md has no section "## [${version}] - DATE" for the tag v${version}`);
  if (!commit.read("proto/baseline.binpb").equals(contractsOf(checkout))) {
    throw new ReleaseFault(
      "proto/baseline.binpb does not have the contracts of this release: sh host/kleidi-node proto/breaking.ts --renew, and commit",
    );
  }
}

function contractsOf(checkout: string): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-contracts-"));
  try {
    const file = join(folder, "contracts.binpb");
    writeBaseline(checkout, file);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
