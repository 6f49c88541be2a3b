/**
 * Lines to stdout, for whoever collects them there. Not through process.stdout, which may wait for a slow reader in the event loop: a
 * descriptor of our own does not wait, and what the reader does not take stays in the feed. A failure is final: half a line that
 * went into a pipe cannot be taken back.
 */
import { closeSync, constants, openSync, write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Line } from "../chain.ts";
import { bytesOf, ClosedOutputError, codeOf, countWhole, type Output, type Written } from "./output.ts";

const writing = promisify(write);
const FULL_MS = 10;

export class StdoutOutput implements Output {
  readonly name = "stdout";
  readonly label = "stdout";
  readonly #descriptor: number;
  readonly #own: boolean;
  #busy: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(descriptor = 1) {
    const own = reopened(descriptor);
    this.#own = own !== undefined;
    this.#descriptor = own ?? descriptor;
  }

  async write(lines: readonly Line[]): Promise<Written> {
    const bytes = bytesOf(lines);
    let at = 0;
    try {
      while (at < bytes.length) at += await this.#some(bytes.subarray(at));
      return { taken: lines.length };
    } catch (error) {
      return { taken: countWhole(lines, at).taken, error: new ClosedOutputError(codeOf(error)) };
    }
  }

  async #some(bytes: Buffer): Promise<number> {
    if (this.#closed) throw new ClosedOutputError("closed");
    const one = writing(this.#descriptor, bytes);
    this.#busy = one.catch(() => {});
    try {
      return (await one).bytesWritten;
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
      await sleep(FULL_MS);
      return 0;
    }
  }

  async sync(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#own) return;
    await this.#busy;
    closeSync(this.#descriptor);
  }
}

/** The same pipe or file, opened anew and not waiting; undefined for a socket, which cannot be: there, a thread waits. */
function reopened(descriptor: number): number | undefined {
  try {
    const { O_WRONLY, O_APPEND, O_NONBLOCK } = constants;
    return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_APPEND | O_NONBLOCK);
  } catch {
    return undefined;
  }
}
