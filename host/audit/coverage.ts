/**
 * Whether lines are covered by checkpoints as a host of their rhythm covers them. Nothing in a line says who wrote it before a
 * checkpoint behind it does: so a rhythm that a log claims counts from the checkpoint on that covers the claim.
 */
import type { Head } from "./chain.ts";
import type { Fault, Place } from "./fault.ts";
import { claimOf, DEFAULT_RHYTHM, LONGEST_RHYTHM, OWN_LINES, type Rhythm, UnsignedLines } from "./rhythm.ts";

export class Coverage {
  readonly #unsigned = new UnsignedLines();
  /** Of the first line that is not covered. */
  #from: Place = { file: "", line: 0 };
  /** Undefined: no claim is covered, as in the log of a host that made none. */
  #rhythm: Rhythm | undefined;
  #claimed: Rhythm | "none" | undefined;
  #checkpoints = 0;
  readonly #clock = new Clock();
  #backMs = 0;

  /** What a record says about the rhythm; of any kind but RPCs and host calls, which say nothing. */
  claim(record: Head & Readonly<Record<string, unknown>>): void {
    const claimed = claimOf(record);
    if (claimed !== undefined) this.#claimed = claimed;
    // a host without a key, or before there were claims
    else if (record.kind === "start") this.#claimed = "none";
    if (record.kind === "clock") this.#backMs = Number(record.back_ms);
  }

  /** A line other than a checkpoint. @param time where the digits of its time begin */
  line(file: string, line: number, text: string, kind: string, time: number): void {
    if (this.#unsigned.count === 0) this.#from = { file, line };
    this.#unsigned.add(kind, this.#clock.ms(text, time), kind === "clock" ? this.#backMs : 0);
  }

  /** A checkpoint with a good signature. */
  signed(): void {
    if (this.#claimed !== undefined) this.#rhythm = this.#claimed === "none" ? undefined : this.#claimed;
    this.#claimed = undefined;
    this.#checkpoints += 1;
    this.#unsigned.signed();
  }

  /** Lines are missing here, and whatever checkpoints were among them. */
  gap(): void {
    this.#unsigned.missed();
  }

  /** @param at "end": no line follows, and so nothing will cover those that are not covered */
  fault(at?: "end"): Fault | undefined {
    const rhythm = this.#rhythm ?? (at === "end" ? DEFAULT_RHYTHM : LONGEST_RHYTHM);
    // a host signs what it says at its start: where it signed nothing, it did nothing else
    const nothing = at === "end" && this.#checkpoints === 0 && this.#unsigned.count > OWN_LINES;
    if (!nothing && !this.#unsigned.exceeds(rhythm)) return undefined;
    const { count, spanMs } = this.#unsigned;
    const long = `${count} lines over ${Math.ceil(spanMs / 1000)} s`;
    const often = `${rhythm.lines} lines or ${rhythm.intervalMs / 1000} s`;
    const why = nothing
      ? `from here on ${count} lines have no checkpoint, and there is none before them: nothing here is signed`
      : `from here on ${long} have no checkpoint, and the host signs after ${often}: they were written without the key, or their checkpoints were removed`;
    return { ...this.#from, what: "unsigned", why };
  }
}

/** Times of lines in milliseconds; most lines are of the second of the line before. */
class Clock {
  #second = "";
  #ms = 0;

  ms(text: string, from: number): number {
    if (this.#second === "" || !text.startsWith(this.#second, from)) {
      this.#second = text.slice(from, from + "2026-01-31T10:00:00.".length);
      this.#ms = Date.parse(`${this.#second}000Z`);
    }
    const at = from + this.#second.length;
    return this.#ms + 100 * digit(text, at) + 10 * digit(text, at + 1) + digit(text, at + 2);
  }
}

function digit(text: string, at: number): number {
  return text.charCodeAt(at) - 48;
}
