/**
 * Runs in place of a provider's program, without Node's permission model, and attempts what the wall must prevent. It writes the outcome to
 * descriptor 3: a JSON object with "reached" or the error's code for each attempt.
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { connect, createServer } from "node:net";

/** @type {{ file: string, folder: string, pid: number, socket: string }} */
const canary = JSON.parse(process.argv[2] ?? "{}");

/** @type {Record<string, () => unknown>} */
const attempts = {
  "read a file of the host": () => readSync(openSync(canary.file, "r"), Buffer.alloc(1)),
  "open a file of the host to write": () => closeSync(openSync(canary.file, "r+")),
  "create a file": () => {
    const path = `${canary.folder}/kleidi-wall-${process.pid}-${Date.now()}`;
    closeSync(openSync(path, "wx"));
    unlinkSync(path);
  },
  "signal the host": () => process.kill(canary.pid, 0),
  "read the host's memory": () => closeSync(openSync(`/proc/${canary.pid}/mem`, "r")),
  // Without the filter this works, also in a separate network namespace.
  "create a socket": () =>
    new Promise((resolve, reject) =>
      createServer()
        .on("error", reject)
        .listen(0, "127.0.0.1", () => resolve(0)),
    ),
  "connect to a socket of the host": () =>
    new Promise((resolve, reject) =>
      connect({ path: canary.socket }).on("connect", resolve).on("error", reject),
    ),
};

/** @type {Record<string, string>} */
const outcomes = {};
for (const [what, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
    outcomes[what] = "reached";
  } catch (error) {
    const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
    outcomes[what] = code ?? message;
  }
}
writeSync(3, JSON.stringify(outcomes));
process.exit(0);
