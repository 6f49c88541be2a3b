/** Runs a command of the author, which changes the KMS. */
import { execFile } from "node:child_process";
import { FixtureError } from "./fixture.ts";

const LIMIT_MS = 60_000;

/** @throws FixtureError if the command fails, or does not end within a minute */
export function runCommand(command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("/bin/sh", ["-c", command], { timeout: LIMIT_MS }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else reject(new FixtureError(`Cannot run the command "${command}": ${stderr.trim() || error.message}`));
    });
  });
}
