/**
 * The queue between the chain and one output: it holds the lines that are not written yet, in order and bounded in bytes, writes them in
 * batches, one write at a time, and retries with exponential backoff while the output fails.
 */
import { type BackOff, backOffMs, jitterMs } from "../lib/back-off.ts";
import type { Position } from "./chain.ts";
import { ClosedOutputError, codeOf, type Output, type OutputLine } from "./sink/output.ts";

/** The maximum size of one write. */
const BATCH_BYTES = 1_048_576;
/** The longest time for which lines wait for `flush`: lines for which no caller waits. */
const LINGER_MS = 2;
/** The shortest and the longest pause, as fractions of the backoff. */
const JITTER = [0.75, 1.25] as const;

export interface QueuedLine extends OutputLine {
  /** True: once the line is written, everything up to it is synced to the disk. */
  sync?: boolean;
}

export interface Failure {
  readonly error: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** The first line that was late or is missing. */
  readonly from: number;
  /** True if a record already declares the missing lines. */
  readonly declared?: boolean;
}

export interface FeedEvents {
  /** The output has written these lines. */
  taken(feed: Feed, first: number, last: number): void;
  failed(feed: Feed): void;
  /** The output works again and has missed no lines. */
  recovered(feed: Feed, failure: Failure): void;
  /** The output can be retried and has missed lines: the handler calls `rejoin` and declares them. */
  behind(feed: Feed, failure: Failure): void;
}

/** Feeds one output with the lines of the chain. */
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
  /** Set while a failed output pauses. */
  #timer: NodeJS.Timeout | undefined;
  #linger: NodeJS.Timeout | undefined;
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

  /** True if a line that is pushed now can be expected to be written. */
  get isUsable(): boolean {
    return this.#failure === undefined && !this.#behind;
  }

  /** True if a line that is pushed now is not lost, though it may have to wait until the output recovers. */
  get keepsLines(): boolean {
    return !this.#gone && !this.#behind;
  }

  /** True while lines are dropped, until the missing ones are declared. */
  get isBehind(): boolean {
    return this.#behind;
  }

  get last(): { readonly seq: number; readonly hash: string } {
    return this.#last;
  }

  /** The sequence of the first line that waits; undefined if none waits. */
  get pending(): number | undefined {
    return this.#queue[0]?.seq;
  }

  push(item: QueuedLine): void {
    if (!this.keepsLines) return;
    this.#queue.push(item);
    this.#bytes += item.text.length + 1;
    this.#linger ??= setTimeout(() => this.flush(), LINGER_MS);
  }

  /**
   * Writes the waiting lines at the end of this turn of the event loop: one write for all of them. The lines of an RPC's host calls wait
   * for the line of the RPC.
   */
  flush(): void {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    if (this.#queue.length === 0 || this.#running || this.#scheduled || this.#timer !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#run();
    });
  }

  /** Drops all lines that are not being written: this queue is full, and another output has them. */
  drop(now: number): void {
    this.#behind = true;
    this.#failure ??= { error: "too slow", since: now, from: this.#last.seq + 1 };
    this.#keep(this.#queue.slice(0, this.#inFlight));
    if (!this.#running && this.#timer === undefined) this.#retryLater();
  }

  /** Accepts lines again; the first one must declare the missing lines. */
  rejoin(): void {
    this.#behind = false;
    if (this.#failure !== undefined) this.#failure = { ...this.#failure, declared: true };
  }

  /** Resolves when all lines are written, or the output has failed. */
  settled(): Promise<void> {
    this.flush();
    if (!this.#running && !this.#scheduled) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    clearTimeout(this.#linger);
    this.#gone = true;
    await this.output.close();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0 && !this.#gone && (await this.#batch()));
    this.#inFlight = 0;
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
    // an output that was too slow has caught up
    if (this.#behind && this.#timer === undefined && !this.#gone) this.#retry();
  }

  /** Writes a batch, up to the next file. @returns false if the output failed */
  async #batch(): Promise<boolean> {
    const items = this.#next();
    this.#inFlight = items.length;
    const error = await this.#written(items);
    if (error === undefined) return true;
    this.#markFailed(error);
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
    // before the event: a handler may check whether the output is usable
    if (error === undefined) this.#markHealthy();
    if (last !== undefined) this.#events.taken(this, items[0]?.seq ?? last.seq, last.seq);
    return error;
  }

  #keep(items: QueuedLine[]): void {
    this.#queue = items;
    this.#bytes = items.reduce((sum, { text }) => sum + text.length + 1, 0);
  }

  /** Syncs all pushed lines to the disk, once they are written. */
  sync(): void {
    const last = this.#queue.at(-1);
    if (last === undefined) this.#sync();
    else last.sync = true;
  }

  /** Lines do not wait for the sync, but a failed sync is a failure of the output. */
  #sync(): void {
    this.output.sync().catch((error) => {
      if (!this.#gone) this.#markFailed(error);
    });
  }

  #markHealthy(): void {
    this.#attempts = 0;
    const failure = this.#failure;
    if (failure === undefined || this.#behind) return;
    this.#failure = undefined;
    if (!failure.declared) this.#events.recovered(this, failure);
  }

  #markFailed(error: Error): void {
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
    this.#timer = setTimeout(() => this.#retry(), pause);
    this.#timer.unref();
  }

  #retry(): void {
    this.#timer = undefined;
    if (this.#gone || this.#running) return;
    if (this.#behind && this.#failure !== undefined) this.#events.behind(this, this.#failure);
    if (this.#queue.length > 0) this.flush();
    else void this.#probe();
  }

  /** Probes a failed output while no line waits for it, so that it recovers before the next line. */
  async #probe(): Promise<void> {
    try {
      await this.output.sync();
      if (!this.#gone) this.#markHealthy();
    } catch (error) {
      if (!this.#gone) this.#markFailed(error as Error);
    }
  }
}
