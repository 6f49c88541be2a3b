/**
 * Keeps two processes of a provider: one serves, one stands by, so that a killed one costs its callers milliseconds. It bounds
 * what is in flight and repeats, once, calls that another call's end took with it (Encrypt and Decrypt are idempotent).
 */
import { KleidiError } from "../error.ts";
import type { Rpc } from "../host-call.ts";
import { Child, ChildGone, type ChildOptions } from "./child.ts";

export interface SupervisorOptions extends ChildOptions {
  /** Milliseconds for one call of the guest, queueing and repeating counted. */
  readonly deadlineMs: number;
  readonly concurrentCalls: number;
  readonly queue: number;
  /** Told when a process ended that nobody asked to end. */
  readonly onEnd: (how: string, nextInMs: number) => void;
}

const PROCESSES = 2;
const ATTEMPTS = 2;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 10_000;
// A process that lived this long is no part of a series of failures.
const GOOD_LIFE_MS = 30_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #children = new Set<Child>();
  /** Loaded processes; the first one serves. */
  #ready: Child[] = [];
  /** Calls that wait for a loaded process. */
  #waiting: { resolve: (child: Child) => void; reject: (error: Error) => void }[] = [];
  /** Calls that wait for their turn. */
  #queue: (() => void)[] = [];
  #inFlight = 0;
  #failures = 0;
  #stopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the first process is loaded; the second one follows by itself.
   * @throws KleidiError module-invalid, provider-unavailable
   */
  async start(): Promise<void> {
    try {
      await this.#launch();
    } catch (error) {
      this.#stopped = true;
      if (error instanceof KleidiError) throw error;
      throw this.#unavailable(error);
    }
    void this.#launch().catch(() => {});
  }

  /** Process ids, the serving one first. */
  get pids(): number[] {
    return this.#ready.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  /** @throws KleidiError overloaded, deadline, provider-unavailable, provider-fault, capability-denied */
  async call(rpc: Rpc, input: Uint8Array): Promise<Uint8Array> {
    const deadline = performance.now() + this.#options.deadlineMs;
    if (this.#stopped) throw new KleidiError("stopping", `Cannot ${rpc}: the host is stopping`);
    await this.#enter(rpc, deadline);
    try {
      for (let attempt = 1; ; attempt++) {
        // One that was killed a moment ago is not gone yet, and takes no calls.
        const child = this.#ready.find(({ alive }) => alive) ?? (await this.#nextReady(deadline));
        try {
          return await child.call(rpc, input, deadline);
        } catch (error) {
          if (!(error instanceof ChildGone)) throw error;
          if (attempt === ATTEMPTS) throw this.#unavailable(error);
        }
      }
    } finally {
      this.#leave();
    }
  }

  /** Ends the processes; calls in flight fail. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const children = [...this.#children];
    for (const child of children) child.kill("the host is stopping");
    await Promise.all(children.map(({ ended }) => ended));
  }

  async #enter(rpc: Rpc, deadline: number): Promise<void> {
    const { concurrentCalls, queue } = this.#options;
    if (this.#inFlight < concurrentCalls) {
      this.#inFlight += 1;
      return;
    }
    if (this.#queue.length >= queue) {
      throw new KleidiError(
        "overloaded",
        `Cannot ${rpc}: provider "${this.#options.provider}" has ${this.#inFlight} calls in flight and ${queue} waiting, at most ${concurrentCalls} and ${queue} are allowed`,
      );
    }
    await new Promise<void>((resolve, reject) => {
      const turn = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#queue = this.#queue.filter((other) => other !== turn);
        reject(this.#late(rpc, "before its turn came"));
      }, deadline - performance.now());
      this.#queue.push(turn);
    });
  }

  /** Hands the place on to the next in the queue, or gives it back. */
  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#inFlight -= 1;
    else next();
  }

  #nextReady(deadline: number): Promise<Child> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      this.#waiting.push(waiter);
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(this.#unavailable(undefined));
      }, deadline - performance.now());
      waiter.resolve = (child) => {
        clearTimeout(timer);
        resolve(child);
      };
    });
  }

  async #launch(): Promise<void> {
    const child = new Child(this.#options);
    this.#children.add(child);
    const born = performance.now();
    void child.ended.then((how) => this.#ended(child, how, performance.now() - born));
    try {
      await child.loaded;
    } catch (error) {
      child.kill("it could not be loaded");
      throw error;
    }
    if (!child.alive) return;
    this.#ready.push(child);
    for (const waiter of this.#waiting.splice(0)) waiter.resolve(child);
  }

  #ended(child: Child, how: string, lifeMs: number): void {
    this.#children.delete(child);
    this.#ready = this.#ready.filter((other) => other !== child);
    if (this.#stopped) return;
    this.#failures = lifeMs > GOOD_LIFE_MS ? 1 : this.#failures + 1;
    // The first one is replaced at once: the standby serves, and a standby should be there again.
    const delay =
      this.#failures === 1 ? 0 : Math.min(FIRST_BACKOFF_MS * 2 ** (this.#failures - 2), LAST_BACKOFF_MS);
    this.#options.onEnd(how, delay);
    setTimeout(() => {
      if (!this.#stopped && this.#children.size < PROCESSES) void this.#launch().catch(() => {});
    }, delay).unref();
  }

  #late(rpc: Rpc, when: string): KleidiError {
    return new KleidiError(
      "deadline",
      `Cannot ${rpc}: provider "${this.#options.provider}" ran into its deadline of ${this.#options.deadlineMs} ms ${when}`,
    );
  }

  #unavailable(cause: unknown): KleidiError {
    return new KleidiError(
      "provider-unavailable",
      `Cannot use provider "${this.#options.provider}": its process ended and is being started again`,
      cause,
    );
  }
}
