/** Builds and runs nfpm. */
import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../.ci/dist/run.ts";
import { ReleaseFault } from "../../.ci/release/fault.ts";

const BUILD = join(import.meta.dirname, "go", "build.sh");

/**
 * Builds nfpm, or finds an earlier build of the same module.
 * @returns its path
 * @throws ReleaseFault if Go is missing or the build fails
 */
export function buildNfpm(): string {
  const { status, stdout, stderr } = spawnSync("bash", [BUILD], { encoding: "utf8" });
  if (status === 0) return stdout.trim();
  throw new ReleaseFault(`nfpm, which writes the packages, cannot be built: ${stderr.trim()}`);
}

/**
 * @param config nfpm's document
 * @param into an existing folder, in which the package is written
 * @returns the name of the file
 * @throws ReleaseFault if nfpm fails
 */
export function runNfpm(nfpm: string, config: object, packager: string, into: string): string {
  const work = mkdtempSync(join(into, "nfpm-"));
  try {
    const file = join(work, "nfpm.json");
    // JSON is a subset of YAML without ambiguities
    writeFileSync(file, JSON.stringify(config));
    run(nfpm, ["package", "--config", file, "--packager", packager, "--target", `${work}/`], work);
    const [made = ""] = globSync(`*.${packager}`, { cwd: work });
    renameSync(join(work, made), join(into, made));
    return basename(made);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
