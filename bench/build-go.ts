import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** Builds the Go programs of folders with a build.sh, or ends the benchmark. Programs that are built already take no time. */
export function buildGo(...folders: string[]): void {
  for (const folder of folders) {
    const build = join(import.meta.dirname, "..", folder, "build.sh");
    if (spawnSync("bash", [build], { stdio: ["ignore", "ignore", "inherit"] }).status !== 0) process.exit(1);
  }
}
