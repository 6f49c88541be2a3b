/**
 * What stands between the chain and one output: the lines that are not written yet, in order and bounded in bytes; one write at a
 * time, of all that is there; and pauses that grow, with chance in them, while the output refuses.
 */
import { type BackOff, backOffMs, jitterMs } from "../lib/back-off.ts";
import type { Position } from "./chain.ts";
import { ClosedOutputError, codeOf, type Output, type OutputLine } from "./sink/output.ts";

/** Of one write. */
const BATCH_BYTES = 1_048_576;
/** The parts of a pause between which chance chooses. */
const JITTER = [0.75, 1.25] as const;

export interface QueuedLine extends OutputLine {
  /** When it is written, everything up to it goes down to the disk. */
  sync?: boolean;
}

export interface Failure {
  readonly error: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** The first line that was late or is missing. */
  readonly from: number;
  /** That lines are missing is said already. */
  readonly declared?: boolean;
}

export interface FeedEvents {
  /** These lines are written. */
  taken(feed: Feed, first: number, last: number): void;
  failed(feed: Feed): void;
  /** It writes again, and has missed nothing. */
  recovered(feed: Feed, failure: Failure): void;
  /** It may be tried again, and has missed lines: they are to be declared, then `rejoin` is to be called. */
  behind(feed: Feed, failure: Failure): void;
}

export class Feed {
  readonly output: Output;
  readonly #events: FeedEvents;
  readonly #backOff: BackOff;
  #queue: QueuedLine[] = [];
  #bytes = 0;
  #inFlight = 0;
  #running = false;
  #scheduled = false;
  #failure: Failure | undefined;
  #gone = false;
  #behind = false;
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;
  /** The last line that was written. */
  #last: { readonly seq: number; readonly hash: string };
  #idle: (() => void)[] = [];

  constructor(output: Output, at: Position, events: FeedEvents, backOff: BackOff) {
    this.output = output;
    this.#events = events;
    this.#backOff = backOff;
    this.#last = at;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Whether what is pushed now can be expected to be written. */
  get isUsable(): boolean {
    return this.#failure === undefined && !this.#behind;
  }

  /** Whether what is pushed now is not lost: it may have to wait until the output is well again. */
  get keepsLines(): boolean {
    return !this.#gone && !this.#behind;
  }

  /** Whether lines are given up until those that are missing are declared. */
  get isBehind(): boolean {
    return this.#behind;
  }

  get last(): { readonly seq: number; readonly hash: string } {
    return this.#last;
  }

  /** The first line that is still to be written; undefined where there is none. */
  get pending(): number | undefined {
    return this.#queue[0]?.seq;
  }

  push(item: QueuedLine): void {
    if (!this.keepsLines) return;
    this.#queue.push(item);
    this.#bytes += item.text.length + 1;
    this.#schedule();
  }

  /** Gives up what is not being written: another output has it, and this one has no room for more. */
  drop(now: number): void {
    this.#behind = true;
    this.#failure ??= { error: "too slow", since: now, from: this.#last.seq + 1 };
    this.#keep(this.#queue.slice(0, this.#inFlight));
    if (!this.#running && this.#timer === undefined) this.#retryLater();
  }

  /** Lines are taken again; the first one declares what is missing. */
  rejoin(): void {
    this.#behind = false;
    if (this.#failure !== undefined) this.#failure = { ...this.#failure, declared: true };
  }

  /** When nothing more can be written: all is, or it fails. */
  settled(): Promise<void> {
    if (!this.#running && !this.#scheduled) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#gone = true;
    await this.output.close();
  }

  #schedule(): void {
    if (this.#running || this.#scheduled || this.#timer !== undefined) return;
    this.#scheduled = true;
    // at the end of this turn of the event loop: one write for all its lines
    setImmediate(() => {
      this.#scheduled = false;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0 && !this.#gone && (await this.#batch()));
    this.#inFlight = 0;
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
    // what was too slow has caught up
    if (this.#behind && this.#timer === undefined && !this.#gone) this.#again();
  }

  /** Writes what is there, up to the next file. Whether to go on. */
  async #batch(): Promise<boolean> {
    const items = this.#next();
    this.#inFlight = items.length;
    const error = await this.#written(items);
    if (error === undefined) return true;
    this.#refused(error);
    return false;
  }

  #next(): QueuedLine[] {
    const [first, ...others] = this.#queue;
    const items = first === undefined ? [] : [first];
    let size = 0;
    for (const item of others) {
      size += item.text.length + 1;
      if (item.startsFile || size > BATCH_BYTES) break;
      items.push(item);
    }
    return items;
  }

  async #written(items: readonly QueuedLine[]): Promise<Error | undefined> {
    const { taken, error } = await this.output.write(items);
    const last = items[taken - 1];
    this.#keep(this.#queue.slice(taken));
    if (last !== undefined) {
      this.#last = { seq: last.seq, hash: last.hash };
      if (items.slice(0, taken).some(({ sync }) => sync)) this.#sync();
    }
    // before it is told what is written: who waits for a line may ask whether the output is well
    if (error === undefined) this.#well();
    if (last !== undefined) this.#events.taken(this, items[0]?.seq ?? last.seq, last.seq);
    return error;
  }

  #keep(items: QueuedLine[]): void {
    this.#queue = items;
    this.#bytes = items.reduce((sum, { text }) => sum + text.length + 1, 0);
  }

  /** Everything that was pushed goes down to the disk, once it is written. */
  sync(): void {
    const last = this.#queue.at(-1);
    if (last === undefined) this.#sync();
    else last.sync = true;
  }

  /** Lines do not wait for the disk; a disk that fails is no sink, though. */
  #sync(): void {
    this.output.sync().catch((error) => {
      if (!this.#gone) this.#refused(error);
    });
  }

  #well(): void {
    this.#attempts = 0;
    const failure = this.#failure;
    if (failure === undefined || this.#behind) return;
    this.#failure = undefined;
    if (!failure.declared) this.#events.recovered(this, failure);
  }

  #refused(error: Error): void {
    const since = this.#failure?.since ?? Date.now();
    const from = this.#failure?.from ?? this.#last.seq + 1;
    this.#failure = { declared: false, ...this.#failure, error: codeOf(error), since, from };
    if (error instanceof ClosedOutputError) {
      this.#gone = true;
      this.#keep([]);
    } else this.#retryLater();
    this.#events.failed(this);
  }

  #retryLater(): void {
    clearTimeout(this.#timer);
    this.#attempts += 1;
    const pause = jitterMs(backOffMs(this.#backOff, this.#attempts), JITTER, Math.random());
    this.#timer = setTimeout(() => this.#again(), pause);
    this.#timer.unref();
  }

  #again(): void {
    this.#timer = undefined;
    if (this.#gone || this.#running) return;
    if (this.#behind && this.#failure !== undefined) this.#events.behind(this, this.#failure);
    if (this.#queue.length > 0) this.#schedule();
    else void this.#probe();
  }

  /** Of an output that failed while nothing waits for it: no line may come before it is well again. */
  async #probe(): Promise<void> {
    try {
      await this.output.sync();
      if (!this.#gone) this.#well();
    } catch (error) {
      if (!this.#gone) this.#refused(error as Error);
    }
  }
}
