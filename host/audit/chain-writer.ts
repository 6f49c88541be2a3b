/**
 * Writes records to the chain: each with its time, the record of a clock that went backwards before it, and a checkpoint when the rhythm
 * requires one.
 */
import { Chain, type Position } from "./chain.ts";
import type { Signer } from "./checkpoint.ts";
import type { QueuedLine } from "./feed.ts";
import type { Control, Entry } from "./record.ts";
import { type Claim, claimed, type Rhythm, UnsignedLines } from "./rhythm.ts";

/** Records that claim the rhythm or declare missing lines. They are signed at once: an unsigned claim is not trusted. */
const CLAIMS: ReadonlySet<string> = new Set<(Entry | Control)["kind"]>(["start", "rhythm", "gap"]);

/** The receiver of the lines. */
interface LineTarget {
  push(line: QueuedLine): void;
  /** Syncs all lines to the disk. */
  sync(): void;
  /** True if a line that is pushed now can be expected to be written. */
  isUsable(): boolean;
}

interface ChainWriterOptions {
  /** The position from which the chain continues. */
  readonly at: Position;
  /** Undefined: no checkpoints; the lines are synced to the disk at the rhythm. */
  readonly signer: Signer | undefined;
  readonly rhythm: Rhythm;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  readonly target: LineTarget;
  /** Runs the checkpoint of a timer: no caller could catch its error. */
  readonly inBackground: (work: () => void) => void;
}

export class ChainWriter {
  readonly #options: ChainWriterOptions;
  readonly #chain: Chain;
  readonly #unsigned = new UnsignedLines();
  /** The time of the last line. */
  #time: { readonly ms: number; readonly text: string };
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(options: ChainWriterOptions) {
    const { at } = options;
    this.#options = options;
    this.#chain = new Chain(at);
    this.#time = { ms: at.time === undefined ? 0 : Date.parse(at.time), text: at.time ?? "" };
  }

  /** The position of the last line, which may not be written yet. */
  get at(): Position {
    return this.#chain.at;
  }

  /** The rhythm as its fields of a record; undefined without a key. */
  get claim(): Claim | undefined {
    return this.#options.signer && claimed(this.#options.rhythm);
  }

  /** True if a line follows the last checkpoint. */
  get hasUnsigned(): boolean {
    return this.#unsigned.count > 0;
  }

  /**
   * Adds a record, with a checkpoint before or after it if the rhythm requires one.
   * @param how `startsFile`: a new file begins with its line
   * @throws TypeError or KleidiError audit-failed if the line cannot be created
   */
  put(record: Entry | Control, how: { startsFile?: boolean } = {}): void {
    this.putAt(this.nextTime(), record, how);
  }

  /** Returns the time of the next line. A checkpoint that is overdue (the clock was set, the machine slept) is added first. */
  nextTime(): string {
    const { rhythm, now } = this.#options;
    if (this.#unsigned.isDue(rhythm, now())) this.checkpoint();
    return this.#stamp();
  }

  /** Adds a record at a time that `nextTime` returned. */
  putAt(time: string, record: Entry | Control, how: { startsFile?: boolean } = {}): void {
    const { rhythm, signer } = this.#options;
    this.#push(record, time, how);
    if (this.#unsigned.count >= rhythm.lines) this.checkpoint();
    else if (signer !== undefined && CLAIMS.has(record.kind)) this.checkpoint();
  }

  /** Signs all lines and syncs them to the disk; without a key, only syncs. */
  checkpoint(): void {
    const { signer, target } = this.#options;
    if (signer === undefined) target.sync();
    else {
      // first: it may add a line, and the signature covers the line before
      const time = this.#stamp();
      this.#push(signer.checkpoint(this.#chain.at, time), time, { sync: true });
    }
    this.#unsigned.signed();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends the checkpoints of the timer. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  /** Returns the time of the next line, and adds a record first if the clock went backwards. */
  #stamp(): string {
    const now = this.#options.now();
    const back = this.#time.ms - now;
    if (back !== 0) this.#time = { ms: now, text: new Date(now).toISOString() };
    if (back > 0) this.#push({ kind: "clock", back_ms: back }, this.#time.text);
    return this.#time.text;
  }

  #push(record: Entry | Control, time: string, how: { startsFile?: boolean; sync?: boolean } = {}): void {
    const line = this.#chain.next(record, time);
    this.#options.target.push({ ...line, ...how });
    if (record.kind !== "checkpoint")
      this.#unsigned.add(record.kind, this.#time.ms, record.kind === "clock" ? record.back_ms : 0);
    this.#startTimer();
  }

  #startTimer(): void {
    if (this.#isStopped) return;
    this.#timer ??= setTimeout(() => this.#onTimer(), this.#options.rhythm.intervalMs).unref();
  }

  #onTimer(): void {
    this.#timer = undefined;
    if (this.#isStopped || !this.hasUnsigned) return;
    const { target, inBackground } = this.#options;
    if (target.isUsable()) inBackground(() => this.checkpoint());
    else this.#startTimer();
  }
}
