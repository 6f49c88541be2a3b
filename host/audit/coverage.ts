/**
 * Checks that checkpoints cover the lines as often as the rhythm of the host requires. A line is untrusted until a later checkpoint
 * covers it, so a claimed rhythm counts only from the checkpoint that covers the claim.
 */
import type { Head } from "./chain.ts";
import type { Fault, Place } from "./fault.ts";
import { claimOf, DEFAULT_RHYTHM, LONGEST_RHYTHM, OWN_LINES, type Rhythm, UnsignedLines } from "./rhythm.ts";

export class Coverage {
  readonly #unsigned = new UnsignedLines();
  /** The place of the first line that is not covered. */
  #from: Place = { file: "", line: 0 };
  /** Undefined if no claim is covered, as in the log of a host that claims none. */
  #rhythm: Rhythm | undefined;
  #claimed: Rhythm | "none" | undefined;
  #checkpoints = 0;
  readonly #clock = new Clock();
  #backMs = 0;

  /** Reads the rhythm that a record claims; call it for every kind except rpc and host_call. */
  claim(record: Head & Readonly<Record<string, unknown>>): void {
    const claimed = claimOf(record);
    if (claimed !== undefined) this.#claimed = claimed;
    // a host without a key, or a version without claims
    else if (record.kind === "start") this.#claimed = "none";
    if (record.kind === "clock") this.#backMs = Number(record.back_ms);
  }

  /** Counts a line other than a checkpoint. @param time the index of the first digit of its time */
  line(file: string, line: number, text: string, kind: string, time: number): void {
    if (this.#unsigned.count === 0) this.#from = { file, line };
    this.#unsigned.add(kind, this.#clock.ms(text, time), kind === "clock" ? this.#backMs : 0);
  }

  /** Records a checkpoint with a valid signature. */
  signed(): void {
    if (this.#claimed !== undefined) this.#rhythm = this.#claimed === "none" ? undefined : this.#claimed;
    this.#claimed = undefined;
    this.#checkpoints += 1;
    this.#unsigned.signed();
  }

  /** Records that lines are missing here, with any checkpoints among them. */
  gap(): void {
    this.#unsigned.missed();
  }

  /** @param at "end": no line follows, so the uncovered lines stay uncovered */
  fault(at?: "end"): Fault | undefined {
    const rhythm = this.#rhythm ?? (at === "end" ? DEFAULT_RHYTHM : LONGEST_RHYTHM);
    // a host signs its start record at once: a log without a checkpoint has only the host's first lines
    const nothing = at === "end" && this.#checkpoints === 0 && this.#unsigned.count > OWN_LINES;
    if (!nothing && !this.#unsigned.exceeds(rhythm)) return undefined;
    const { count, spanMs } = this.#unsigned;
    const long = `${count} lines over ${Math.ceil(spanMs / 1000)} s`;
    const often = `${rhythm.lines} lines or ${rhythm.intervalMs / 1000} s`;
    const why = nothing
      ? `from here on ${count} lines have no checkpoint, and the log has no earlier one: none of its lines is signed`
      : `from here on ${long} have no checkpoint, and the host signs after ${often}: they were written without the key, or their checkpoints were removed`;
    return { ...this.#from, what: "unsigned", why };
  }
}

/** Parses the times of lines, in milliseconds; most lines have the same second as the line before. */
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
