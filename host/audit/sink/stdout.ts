/**
 * Writes lines to stdout, for a log collector. Not through process.stdout, which can block the event loop on a slow reader: a separate
 * descriptor does not block, and unread lines wait in the feed. A failure is final: a partial line in a pipe cannot be removed.
 */
import { closeSync, constants, openSync, write } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import type { Line } from "../chain.ts";
import { bytesOf, ClosedOutputError, codeOf, countWhole, type Output, type Written } from "./output.ts";

const writeBytes = promisify(write);
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
      while (at < bytes.length) at += await this.#writeSome(bytes.subarray(at));
      return { taken: lines.length };
    } catch (error) {
      return { taken: countWhole(lines, at).taken, error: new ClosedOutputError(codeOf(error)) };
    }
  }

  async #writeSome(bytes: Buffer): Promise<number> {
    if (this.#closed) throw new ClosedOutputError("closed");
    const one = writeBytes(this.#descriptor, bytes);
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

/** Reopens the pipe or file in non-blocking mode; undefined for a socket, which cannot be reopened: there, a thread blocks. */
function reopened(descriptor: number): number | undefined {
  try {
    const { O_WRONLY, O_APPEND, O_NONBLOCK } = constants;
    return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_APPEND | O_NONBLOCK);
  } catch {
    return undefined;
  }
}
