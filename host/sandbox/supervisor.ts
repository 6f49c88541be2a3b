/**
 * Keeps two processes of a provider: one serves, one stands by, so that a killed one costs its callers milliseconds. It bounds
 * what is in flight, repeats, once, calls that another call's end took with it (Encrypt and Decrypt are idempotent), and gives a
 * provider up for a while whose processes end again and again.
 */
import { KleidiError } from "../error.ts";
import type { Rpc } from "../host-call.ts";
import { Child, ChildGone, type ChildOptions, type End } from "./child.ts";
import { Patience, type PatienceOptions } from "./patience.ts";
import { Turns } from "./turns.ts";

export interface SupervisorOptions extends ChildOptions {
  /** Milliseconds for one call of the guest, queueing and repeating counted. */
  readonly deadlineMs: number;
  /** The largest input of an export, in bytes. */
  readonly inputBytes: number;
  readonly concurrentCalls: number;
  readonly queue: number;
  readonly patience?: Partial<PatienceOptions>;
  /** Told of each process that is loaded, the first ones and those that replace others. */
  readonly onLoaded?: () => void;
  /** Told when a process ended that nobody asked to end. */
  readonly onEnd: (how: string, nextInMs: number) => void;
  readonly onQuarantine: (quarantine: Quarantine) => void;
}

export interface Quarantine {
  /** Why, in a sentence's second half: "its process ended 10 times, at last with SIGKILL". */
  readonly reason: string;
  /** Milliseconds since the epoch; absent: until the host is started again. */
  readonly until?: number;
}

/** What is told of a provider to its operator. */
export interface ProviderState {
  readonly state: "starting" | "ready" | "quarantined" | "stopped";
  readonly quarantine?: Quarantine;
  /** Processes that are loaded: 2 when all is well. */
  readonly processes: number;
  /** Processes that ended by themselves since the start. */
  readonly ends: number;
  readonly inFlight: number;
  readonly waiting: number;
}

const PROCESSES = 2;
const ATTEMPTS = 2;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #patience: Patience;
  readonly #turns: Turns;
  readonly #children = new Set<Child>();
  /** Loaded processes; the first one serves. */
  #ready: Child[] = [];
  /** Calls that wait for a loaded process. */
  #waiting: { resolve: (child: Child) => void; reject: (error: Error) => void }[] = [];
  #quarantine: Quarantine | undefined;
  #timers = new Set<ReturnType<typeof setTimeout>>();
  #ends = 0;
  #stopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#patience = new Patience(options.patience);
    this.#turns = new Turns({ atOnce: options.concurrentCalls, waiting: options.queue });
  }

  /**
   * Resolves when the first process is loaded; the second one follows by itself. Where it rejects, the supervisor goes on trying.
   * @throws KleidiError module-invalid, provider-unavailable
   */
  async start(): Promise<void> {
    try {
      await this.#launch();
    } catch (error) {
      if (error instanceof KleidiError) throw error;
      throw this.#unavailable(error);
    }
    void this.#launch().catch(() => {});
  }

  /** Process ids, the serving one first. */
  get pids(): number[] {
    return this.#ready.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
  }

  state(): ProviderState {
    const processes = this.#ready.filter(({ alive }) => alive).length;
    const running = processes > 0 ? "ready" : "starting";
    const state = this.#stopped ? "stopped" : this.#quarantine === undefined ? running : "quarantined";
    return {
      state,
      ...(this.#quarantine === undefined ? {} : { quarantine: this.#quarantine }),
      processes,
      ends: this.#ends,
      inFlight: this.#turns.taken,
      waiting: this.#turns.waiting,
    };
  }

  /**
   * @throws KleidiError overloaded, deadline, provider-unavailable, provider-quarantined, provider-fault, capability-denied,
   * request-too-large
   */
  async call(rpc: Rpc, input: Uint8Array): Promise<Uint8Array> {
    const { provider, deadlineMs, inputBytes, concurrentCalls, queue } = this.#options;
    const deadline = performance.now() + deadlineMs;
    this.#assertRunning(rpc);
    if (input.length > inputBytes) {
      throw new KleidiError(
        "request-too-large",
        `Cannot ${rpc}: the message for provider "${provider}" is ${input.length} bytes, at most ${inputBytes} are allowed`,
      );
    }
    const full = () =>
      new KleidiError(
        "overloaded",
        `Cannot ${rpc}: provider "${provider}" has ${this.#turns.taken} calls in flight and ${queue} waiting, at most ${concurrentCalls} and ${queue} are allowed`,
      );
    // Callers filled the queue: that is no slowness of the provider.
    const late = () =>
      new KleidiError(
        "overloaded",
        `Cannot ${rpc}: the calls before it kept provider "${provider}" busy for all of its ${deadlineMs} ms`,
      );
    await this.#turns.enter(deadline, full, late);
    try {
      for (let attempt = 1; ; attempt++) {
        this.#assertRunning(rpc);
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
      this.#turns.leave();
    }
  }

  /** Ends the processes; calls in flight fail. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#forgetPlans();
    this.#sendAway(() => stopping("call the provider"));
    await this.#killAll("the host is stopping");
  }

  #assertRunning(rpc: Rpc): void {
    if (this.#stopped) throw stopping(rpc);
    if (this.#quarantine !== undefined) throw this.#quarantined(rpc, this.#quarantine);
  }

  #nextReady(deadline: number): Promise<Child> {
    const { promise, resolve, reject } = Promise.withResolvers<Child>();
    const waiter = { resolve, reject };
    this.#waiting.push(waiter);
    const timer = setTimeout(
      () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(this.#unavailable(undefined));
      },
      Math.max(0, deadline - performance.now()),
    );
    return promise.finally(() => clearTimeout(timer));
  }

  async #launch(): Promise<void> {
    const child = new Child(this.#options);
    this.#children.add(child);
    const born = performance.now();
    void child.ended.then((end) => this.#ended(child, end, performance.now() - born));
    try {
      await child.loaded;
    } catch (error) {
      child.kill("it could not be loaded");
      throw error;
    }
    if (!child.alive) return;
    this.#options.onLoaded?.();
    this.#ready.push(child);
    for (const waiter of this.#waiting.splice(0)) waiter.resolve(child);
  }

  #ended(child: Child, { how, taken }: End, lifeMs: number): void {
    this.#children.delete(child);
    this.#ready = this.#ready.filter((other) => other !== child);
    if (this.#stopped || this.#quarantine !== undefined) return;
    this.#ends += 1;
    if (taken) {
      this.#giveUp({ reason: `its process was taken over: ${how}` });
      return;
    }
    const next = this.#patience.ended(lifeMs);
    if (next.what === "start") {
      this.#options.onEnd(how, next.inMs);
      this.#later(next.inMs, () => this.#relaunch());
      return;
    }
    const reason = `its process ended ${this.#patience.failures} times in a row, at last: ${how}`;
    this.#giveUp({ reason, until: Date.now() + next.forMs });
    this.#later(next.forMs, () => {
      this.#quarantine = undefined;
      this.#relaunch();
    });
  }

  #relaunch(): void {
    while (!this.#stopped && this.#children.size < PROCESSES) void this.#launch().catch(() => {});
  }

  #giveUp(quarantine: Quarantine): void {
    this.#quarantine = quarantine;
    this.#forgetPlans();
    this.#options.onQuarantine(quarantine);
    this.#sendAway(() => this.#quarantined("call the provider", quarantine));
    void this.#killAll("it is in quarantine");
  }

  /** Tells all calls that wait, for their turn or for a process. */
  #sendAway(error: () => KleidiError): void {
    this.#turns.close(error);
    for (const { reject } of this.#waiting.splice(0)) reject(error());
  }

  async #killAll(reason: string): Promise<void> {
    const children = [...this.#children];
    for (const child of children) child.kill(reason);
    await Promise.all(children.map(({ ended }) => ended));
  }

  /** Starts that were still to come. */
  #forgetPlans(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms).unref();
    this.#timers.add(timer);
  }

  #unavailable(cause: unknown): KleidiError {
    return new KleidiError(
      "provider-unavailable",
      `Cannot use provider "${this.#options.provider}": its process ended and is being started again`,
      cause,
    );
  }

  #quarantined(what: string, { reason, until }: Quarantine): KleidiError {
    const end =
      until === undefined
        ? "it is not run again before the host is restarted"
        : `it is tried again at ${new Date(until).toISOString()}`;
    return new KleidiError(
      "provider-quarantined",
      `Cannot ${what}: provider "${this.#options.provider}" is in quarantine, ${reason}; ${end}`,
    );
  }
}

function stopping(what: string): KleidiError {
  return new KleidiError("stopping", `Cannot ${what}: the host is stopping`);
}
