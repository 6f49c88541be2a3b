/** All sinks of a log: their state, and the callers that wait until a sink has accepted their lines. */
import { type FaultName, KleidiError } from "../error.ts";
import type { BackOff } from "../lib/back-off.ts";
import type { Position } from "./chain.ts";
import { closeWithin } from "./close.ts";
import { type Failure, Feed, type QueuedLine } from "./feed.ts";
import type { Output } from "./sink/output.ts";
import { Waiters } from "./waiters.ts";

interface SinksOptions {
  /** The maximum size of the lines that wait in each sink, in bytes. */
  readonly queueBytes: number;
  readonly backOff: BackOff;
  /** The sequence of the last line. */
  readonly lastSeq: () => number;
  readonly onFailed: (feed: Feed) => void;
  /** The sink accepts lines again and has missed none. */
  readonly onRecovered: (feed: Feed, failure: Failure) => void;
  /** The sink can accept lines again and has missed some; call its `rejoin` and declare them. */
  readonly onMissed: (feed: Feed, failure: Failure) => void;
}

export class Sinks {
  readonly #feeds: Feed[] = [];
  readonly #waiters = new Waiters();
  readonly #options: SinksOptions;

  constructor(options: SinksOptions) {
    this.#options = options;
  }

  /** @param at the position in the chain after which the sink gets lines */
  add(output: Output, at: Position): Feed {
    const feed = new Feed(output, at, this.#events, this.#options.backOff);
    this.#feeds.push(feed);
    return feed;
  }

  readonly #events = {
    taken: (_feed: Feed, first: number, last: number) => this.#waiters.accept(first, last),
    failed: (feed: Feed) => {
      this.#options.onFailed(feed);
      if (!this.isUsable) this.rejectAll(this.failure());
      this.#forget();
    },
    recovered: (feed: Feed, failure: Failure) => this.#options.onRecovered(feed, failure),
    behind: (feed: Feed, failure: Failure) => this.#options.onMissed(feed, failure),
  };

  /** True if a line that is pushed now can be expected to be written. */
  get isUsable(): boolean {
    return this.#feeds.some(({ isUsable }) => isUsable);
  }

  /** True if a line that is pushed now is not lost, though it may have to wait until a sink recovers. */
  get keepsLines(): boolean {
    return this.#feeds.some(({ keepsLines }) => keepsLines);
  }

  get states(): { readonly name: string; readonly failure: Failure | undefined; readonly waiting: number }[] {
    return this.#feeds.map(({ output, failure, bytes }) => ({ name: output.name, failure, waiting: bytes }));
  }

  /** Every line up to this sequence is accepted by a sink, or lost. */
  get accepted(): number {
    return this.#waiters.accepted;
  }

  set accepted(seq: number) {
    this.#waiters.accepted = seq;
  }

  push(line: QueuedLine): void {
    for (const feed of this.#feeds) feed.push({ ...line });
  }

  /** Syncs all sinks to the disk once their lines are written. */
  sync(): void {
    for (const feed of this.#feeds) feed.sync();
  }

  /**
   * Resolves when a sink has accepted all lines up to now.
   * @param fault rejects at once with this error, unless the lines are accepted already
   * @throws KleidiError audit-failed
   */
  settled(fault: KleidiError | undefined): Promise<void> {
    for (const feed of this.#feeds) feed.flush();
    const error = fault ?? (this.isUsable ? undefined : this.failure());
    return this.#waiters.until(this.#options.lastSeq(), error);
  }

  /**
   * Makes room for another line: a full sink drops its lines if another sink accepts them.
   * @throws KleidiError audit-failed if no sink has room
   */
  makeRoom(now: number): void {
    const { queueBytes } = this.#options;
    const full = this.#feeds.filter(({ bytes }) => bytes >= queueBytes);
    if (full.length === 0) return;
    if (!this.#feeds.some((feed) => feed.isUsable && !full.includes(feed)))
      throw auditFailed(
        "audit-failed/sinks",
        `${queueBytes} bytes are already waiting, and no sink is fast enough`,
      );
    for (const feed of full) feed.drop(now);
    this.#forget();
  }

  rejectAll(error: KleidiError): void {
    this.#waiters.reject(Number.POSITIVE_INFINITY, error);
  }

  /** Returns the error that names the failure of each sink. */
  failure(): KleidiError {
    const each = this.#feeds.map(
      ({ output, failure }) => `${output.label} (${failure?.error ?? "too slow"})`,
    );
    return auditFailed("audit-failed/sinks", `no sink accepts lines: ${each.join(", ")}`);
  }

  /** Writes and syncs all lines, and closes the sinks. @returns the labels of the sinks that were not done within `ms` */
  close(ms: number): Promise<string[]> {
    return closeWithin(this.#feeds, ms);
  }

  /** A line that no sink holds any more is never accepted: its callers are rejected. */
  #forget(): void {
    const held = this.#feeds.flatMap(({ pending }) => pending ?? []);
    this.#waiters.forget(Math.min(...held, this.#options.lastSeq() + 1), () => this.failure());
  }
}

export function auditFailed(
  fault: Extract<FaultName, `audit-failed/${string}`>,
  why: string,
  cause?: unknown,
): KleidiError {
  return new KleidiError(fault, `Cannot audit: ${why}`, cause);
}
