/** Runs a program of the build, and throws its error output if it fails. */
import { spawnSync } from "node:child_process";
import { ReleaseFault } from "../release/fault.ts";

/**
 * @param command looked up on the PATH
 * @returns its stdout
 * @throws ReleaseFault with its stderr, or its stdout if stderr is empty
 */
export function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  if (status === 0) return stdout;
  const said = error?.message ?? (stderr.trim() || stdout.trim() || `exit code ${status}`);
  throw new ReleaseFault(`"${command} ${args.join(" ")}" failed: ${said}`);
}
