/**
 * Runs the process of a provider, and a second one on standby if it has one, so that a killed process costs its callers milliseconds. Limits the calls
 * in flight, repeats a call once if its process exits (Encrypt and Decrypt are idempotent), and puts a provider in quarantine when its
 * processes keep exiting.
 */
import { KleidiError } from "../error.ts";
import type { Rpc } from "../host-call.ts";
import { CallQueue } from "./call-queue.ts";
import { Child, ChildGone, type ChildOptions, type End, LOAD_MS, LOADED_LATE } from "./child.ts";
import type { HostFailures } from "./pending-calls.ts";
import { RestartPolicy, type RestartPolicyOptions } from "./restart-policy.ts";

export interface SupervisorOptions extends ChildOptions {
  /** Milliseconds for one call of the guest, including the time in the queue and a repetition. */
  readonly deadlineMs: number;
  /** The largest input of an export, in bytes. */
  readonly inputBytes: number;
  readonly concurrentCalls: number;
  /** The most calls that wait. */
  readonly queue: number;
  readonly restartPolicy?: Partial<RestartPolicyOptions>;
  /** True: a second process is kept ready. False: the calls of a process that exits wait for its replacement. */
  readonly standby: boolean;
  /** Milliseconds from the first loaded process to the start of the standby process; if left out, STANDBY_DELAY_MS. */
  readonly standbyDelayMs?: number;
  /** Called when a process is loaded, also a replacement. */
  readonly onLoaded?: () => void;
  /** Called when a process exited unexpectedly, with the delay before its replacement starts. */
  readonly onEnd: (how: string, nextInMs: number) => void;
  readonly onQuarantine: (quarantine: Quarantine) => void;
}

export interface Quarantine {
  /** The second half of a sentence: "its process exited 10 times in a row, most recently: SIGKILL". */
  readonly reason: string;
  /** Milliseconds since the epoch; absent: until the host restarts. */
  readonly until?: number;
}

/** The state of a provider, for operators. */
export interface ProviderState {
  readonly state: "starting" | "ready" | "quarantined" | "stopped";
  readonly quarantine?: Quarantine;
  /** Loaded processes. */
  readonly processes: number;
  /** The number of processes in normal operation: 2 with a standby process, 1 without. */
  readonly wanted: number;
  /** Unexpected exits since the host started. */
  readonly ends: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/**
 * When the host starts, so does the API server beside it, on the same processors: the standby process waits until that is over. A process
 * that exits before is replaced at once, and its calls wait for the replacement.
 */
const STANDBY_DELAY_MS = 5000;
/** On a node that is overloaded, loading takes longer: each process that was late doubles the time for the next one. */
const LONGEST_LOAD_MS = 20_000;
const ATTEMPTS = 2;
/** The most bytes of inputs that wait. A Decrypt of an API server has about 300. */
const WAITING_BYTES = 16 << 20;
/** A call waits for at most this part of its deadline, so that the rest is enough to serve it: a call that is cut off can end the process. */
const WAITING_PART = 3 / 4;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #wanted: 1 | 2;
  readonly #restartPolicy: RestartPolicy;
  /** For processes that have never served while another one serves: their exits do not end the one that works. */
  readonly #sparePolicy: RestartPolicy;
  readonly #queue: CallQueue;
  readonly #children = new Set<Child>();
  /** Loaded processes. The first one serves. */
  #ready: Child[] = [];
  /** Calls that may run and wait for a loaded process. */
  #waiters: { resolve: (child: Child) => void; reject: (error: Error) => void }[] = [];
  #quarantine: Quarantine | undefined;
  #timers = new Set<ReturnType<typeof setTimeout>>();
  #ends = 0;
  #loadMs = LOAD_MS;
  #stopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#wanted = options.standby ? 2 : 1;
    this.#restartPolicy = new RestartPolicy(options.restartPolicy);
    this.#sparePolicy = new RestartPolicy(options.restartPolicy);
    const { concurrentCalls, queue } = options;
    this.#queue = new CallQueue({ concurrentCalls, waitingCalls: queue, waitingBytes: WAITING_BYTES });
  }

  /**
   * Resolves when the first process is loaded; a standby process is started later. The supervisor keeps trying after a rejection.
   * @throws KleidiError module-invalid, provider-unavailable
   */
  async start(): Promise<void> {
    try {
      await this.#launch();
    } catch (error) {
      if (error instanceof KleidiError) throw error;
      throw this.#unavailable(error);
    }
    if (this.#options.standby)
      this.#later(this.#options.standbyDelayMs ?? STANDBY_DELAY_MS, () => this.#relaunch());
  }

  /** Process ids; that of the serving process is the first. */
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
      wanted: this.#wanted,
      ends: this.#ends,
      inFlight: this.#queue.running,
      waiting: this.#queue.waiting,
    };
  }

  /**
   * Calls an export of the guest.
   * @param input the request message, at most inputBytes bytes
   * @param failures gets the step at which a host call of this call failed
   * @returns the reply message, at most outputBytes bytes
   * @throws KleidiError overloaded, deadline, provider-unavailable, provider-quarantined, provider-fault, capability-denied,
   * request-too-large
   */
  async call(rpc: Rpc, input: Uint8Array, failures?: HostFailures): Promise<Uint8Array> {
    const { provider, deadlineMs, inputBytes, concurrentCalls, queue } = this.#options;
    const now = performance.now();
    const deadline = now + deadlineMs;
    this.#assertRunning(rpc);
    if (input.length > inputBytes) {
      throw new KleidiError(
        "request-too-large/message",
        `Cannot ${rpc}: the message for provider "${provider}" is ${input.length} bytes, at most ${inputBytes} are allowed`,
      );
    }
    const full = () =>
      new KleidiError(
        "overloaded/full",
        `Cannot ${rpc}: provider "${provider}" has ${this.#queue.running} calls in flight and ${this.#queue.waiting} with ${this.#queue.waitingBytes} bytes waiting, at most ${concurrentCalls}, ${queue} and ${WAITING_BYTES} are allowed`,
      );
    const waitMs = Math.floor(deadlineMs * WAITING_PART);
    // Earlier calls used up the time: the provider is not slow, so this is not a deadline failure.
    const late = () =>
      new KleidiError(
        "overloaded/late",
        `Cannot ${rpc}: earlier calls kept provider "${provider}" busy for ${waitMs} ms, and too little of the deadline of ${deadlineMs} ms is left`,
      );
    await this.#queue.enter({ bytes: input.length, latestStart: now + waitMs, full, late });
    try {
      for (let attempt = 1; ; attempt++) {
        this.#assertRunning(rpc);
        // A process that was just killed has not exited yet, and accepts no calls.
        const child = this.#ready.find(({ alive }) => alive) ?? (await this.#nextReady(deadline));
        try {
          return await child.call(rpc, input, deadline, failures);
        } catch (error) {
          if (!(error instanceof ChildGone)) throw error;
          if (attempt === ATTEMPTS) throw this.#unavailable(error);
        }
      }
    } finally {
      this.#queue.leave();
    }
  }

  /** Ends the processes. Calls in flight fail. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelStarts();
    this.#rejectWaiting(() => stopping("call the provider"));
    await this.#killAll("the host is stopping");
  }

  #assertRunning(rpc: Rpc): void {
    if (this.#stopped) throw stopping(rpc);
    if (this.#quarantine !== undefined) throw this.#quarantined(rpc, this.#quarantine);
  }

  #nextReady(deadline: number): Promise<Child> {
    const { promise, resolve, reject } = Promise.withResolvers<Child>();
    const waiter = { resolve, reject };
    this.#waiters.push(waiter);
    const timer = setTimeout(
      () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(this.#unavailable(undefined));
      },
      Math.max(0, deadline - performance.now()),
    );
    return promise.finally(() => clearTimeout(timer));
  }

  async #launch(): Promise<void> {
    const child = new Child(this.#options, this.#loadMs);
    this.#children.add(child);
    const born = performance.now();
    void child.ended.then((end) => this.#onChildEnd(child, end, performance.now() - born));
    try {
      await child.loaded;
    } catch (error) {
      child.kill("it could not be loaded");
      throw error;
    }
    if (!child.alive) return;
    this.#options.onLoaded?.();
    this.#ready.push(child);
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(child);
  }

  #onChildEnd(child: Child, { how, takenOver }: End, lifeMs: number): void {
    const hasServed = this.#ready.includes(child);
    this.#children.delete(child);
    this.#ready = this.#ready.filter((other) => other !== child);
    if (this.#stopped || this.#quarantine !== undefined) return;
    this.#ends += 1;
    if (takenOver) {
      this.#enterQuarantine({ reason: `its process was taken over: ${how}` });
      return;
    }
    if (how === LOADED_LATE) this.#loadMs = Math.min(2 * this.#loadMs, LONGEST_LOAD_MS);
    const isSpare = !hasServed && this.#ready.some(({ alive }) => alive);
    const next = (isSpare ? this.#sparePolicy : this.#restartPolicy).onExit(lifeMs);
    if (next.action === "start" || isSpare) {
      const inMs = next.action === "start" ? next.inMs : next.forMs;
      this.#options.onEnd(how, inMs);
      this.#later(inMs, () => this.#relaunch());
      return;
    }
    const reason = `its process exited ${this.#restartPolicy.failures} times in a row, most recently: ${how}`;
    this.#enterQuarantine({ reason, until: Date.now() + next.forMs });
    this.#later(next.forMs, () => {
      this.#quarantine = undefined;
      this.#relaunch();
    });
  }

  #relaunch(): void {
    while (!this.#stopped && this.#quarantine === undefined && this.#children.size < this.#wanted) {
      void this.#launch().catch(() => {});
    }
  }

  #enterQuarantine(quarantine: Quarantine): void {
    this.#quarantine = quarantine;
    this.#cancelStarts();
    this.#options.onQuarantine(quarantine);
    this.#rejectWaiting(() => this.#quarantined("call the provider", quarantine));
    void this.#killAll("it is in quarantine");
  }

  /** Rejects all calls that wait, in the queue or for a process. */
  #rejectWaiting(error: () => KleidiError): void {
    this.#queue.rejectWaiting(error);
    for (const { reject } of this.#waiters.splice(0)) reject(error());
  }

  async #killAll(reason: string): Promise<void> {
    const children = [...this.#children];
    for (const child of children) child.kill(reason);
    await Promise.all(children.map(({ ended }) => ended));
  }

  /** Cancels the planned starts. */
  #cancelStarts(): void {
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
      `Cannot use provider "${this.#options.provider}": its process exited, and a replacement is starting`,
      cause,
    );
  }

  #quarantined(action: string, { reason, until }: Quarantine): KleidiError {
    const end =
      until === undefined
        ? "it is not started again until the host restarts"
        : `it is tried again at ${new Date(until).toISOString()}`;
    return new KleidiError(
      until === undefined ? "provider-quarantined/taken-over" : "provider-quarantined/exits",
      `Cannot ${action}: provider "${this.#options.provider}" is in quarantine, ${reason}; ${end}`,
    );
  }
}

function stopping(action: string): KleidiError {
  return new KleidiError("stopping", `Cannot ${action}: the host is stopping`);
}
