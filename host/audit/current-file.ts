/** The current file of a log. It ends when it is full, on request, or when it was moved away; the next file continues the chain. */
import type { Line } from "./chain.ts";
import type { ChainWriter } from "./chain-writer.ts";
import type { Feed } from "./feed.ts";

export type RotateReason = "size" | "asked" | "moved";

export class CurrentFile {
  readonly #chain: ChainWriter;
  readonly #feed: Feed;
  readonly #maxBytes: number;
  /** The size of the file, once all lines are written. */
  #bytes: number;

  /** @param maxBytes the size at which the file ends; it exceeds it by the last lines */
  constructor(chain: ChainWriter, feed: Feed, bytes: number, maxBytes = Number.POSITIVE_INFINITY) {
    this.#chain = chain;
    this.#feed = feed;
    this.#bytes = bytes;
    this.#maxBytes = maxBytes;
  }

  /** Counts a line that was pushed. */
  grow({ text }: Line): void {
    this.#bytes += text.length + 1;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** Begins the next file. @returns false if it cannot begin now */
  rotate(reason: RotateReason): boolean {
    // a moved file is noticed while its feed retries
    if (!this.#feed.isUsable && (reason !== "moved" || this.#feed.isBehind)) return false;
    const { claim } = this.#chain;
    if (claim !== undefined && this.#chain.hasUnsigned) this.#chain.checkpoint();
    this.#bytes = 0;
    this.#chain.put({ kind: "rotate", reason }, { startsFile: true });
    if (claim !== undefined) this.#chain.put({ kind: "rhythm", ...claim });
    return true;
  }
}
