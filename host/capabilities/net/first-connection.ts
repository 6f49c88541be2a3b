/**
 * Connects to the first of several addresses that answers (RFC 8305, 5): each has a head start before the next one, and goes on beside it. So
 * dead addresses cost a part of the time, and not the connection.
 */
import { withDeadline } from "../../lib/deadline.ts";

/** RFC 8305, 8, recommends 250 ms. With many addresses it is less: the last one must be tried before the deadline. */
const HEAD_START_MS = 250;
/** The part of the time in which all addresses are begun. */
const BEGINNING_PART = 0.75;
/** Open attempts of one dial. One more address ends the oldest of them. */
const AT_ONCE = 8;

interface Closable {
  destroy(): unknown;
}

export interface Race<T> {
  /** In order of preference; at least one. */
  readonly addresses: readonly string[];
  /** Rejects when its signal is aborted, and leaves nothing open then. */
  readonly connect: (address: string, signal: AbortSignal) => Promise<T>;
  /** Time limit of all attempts together. */
  readonly ms: number;
  /** Creates the error for a missed deadline. */
  readonly late: () => Error;
}

/**
 * @param over ends all attempts
 * @returns the first connection; the other attempts are ended
 * @throws the failure of the first address that failed; the error of `late` if none failed in time; the reason of `over`
 */
export async function firstConnection<T extends Closable>(race: Race<T>, over: AbortSignal): Promise<T> {
  over.throwIfAborted();
  const attempts = new Attempts(race);
  try {
    return await withDeadline(race.ms, over, race.late, () => attempts.run());
  } catch (error) {
    throw over.aborted ? error : (attempts.failure ?? error);
  } finally {
    attempts.end();
  }
}

class Attempts<T extends Closable> {
  readonly #race: Race<T>;
  /** In the order of their start. */
  readonly #running = new Set<AbortController>();
  readonly #won = Promise.withResolvers<T>();
  #isOver = false;
  /** Of the first address that failed by itself. */
  failure: unknown;

  constructor(race: Race<T>) {
    this.#race = race;
  }

  async run(): Promise<T> {
    const { addresses, ms } = this.#race;
    const headStart = Math.min(HEAD_START_MS, (ms * BEGINNING_PART) / addresses.length);
    const ended: Promise<void>[] = [];
    for (const address of addresses) {
      if (this.#isOver) break;
      const attempt = this.#start(address);
      ended.push(attempt);
      if (ended.length < addresses.length) await atMost(headStart, attempt);
    }
    const lost = Promise.all(ended).then(() => {
      throw this.failure ?? this.#race.late();
    });
    return await Promise.race([this.#won.promise, lost]);
  }

  end(): void {
    this.#isOver = true;
    for (const attempt of this.#running) attempt.abort(this.#race.late());
  }

  /** Resolves when the attempt has ended, in any way. */
  async #start(address: string): Promise<void> {
    if (this.#running.size >= AT_ONCE) [...this.#running][0]?.abort(this.#race.late());
    const attempt = new AbortController();
    this.#running.add(attempt);
    try {
      const connection = await this.#race.connect(address, attempt.signal);
      if (this.#isOver) connection.destroy();
      else this.#win(connection, attempt);
    } catch (error) {
      // An attempt that was ended here says nothing about its address.
      if (!attempt.signal.aborted) this.failure ??= error;
    } finally {
      this.#running.delete(attempt);
    }
  }

  #win(connection: T, attempt: AbortController): void {
    this.#running.delete(attempt);
    this.#won.resolve(connection);
    this.end();
  }
}

async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
