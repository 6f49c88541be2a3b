/** The calls in progress in one process, and those that the host dropped. */
import { AsyncLocalStorage } from "node:async_hooks";
import { KleidiError } from "../error.ts";
import type { FailedStep, Rpc } from "../host-call.ts";

/** What the caller learns of the host calls of one call. */
export interface HostFailures {
  /** The step at which the last host call failed that did; absent: none did. */
  step?: FailedStep;
}

export interface PendingCall {
  readonly rpc: Rpc;
  readonly resolve: (output: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  hostCalls: number;
  readonly perCapability: Map<string, number>;
  /** A host call is in progress: if the deadline passes now, the guest is not the cause. */
  waiting: boolean;
  /** The message of a denied host call. It voids the call, whatever the guest returns. */
  denied?: string;
  /** Receives the step at which a host call failed. */
  readonly failures: HostFailures;
  /** Aborted when the call ends; created with its first host call. */
  abort?: AbortController;
  /** Runs a function in the async context of the caller: the host calls belong to the caller's RPC. */
  readonly within: ReturnType<typeof AsyncLocalStorage.snapshot>;
}

/** The abort reason of host calls whose call has ended. Shared, because creating an error captures a stack. */
const OVER = new Error("the call is over");
/** The most dropped calls to remember; each may still send one frame. Far more than can be in transit at once. */
const MAX_DROPPED = 4096;

export class PendingCalls {
  readonly #pending = new Map<number, PendingCall>();
  /** Calls that the host dropped: each may have sent one frame before it received the DROP. */
  readonly #dropped = new Set<number>();
  #nextCall = 1;

  /** The number of the next call; those below exist. */
  get nextCall(): number {
    return this.#nextCall;
  }

  /** Adds a call of the current async context. */
  add(
    rpc: Rpc,
    failures: HostFailures = {},
  ): { call: number; pending: PendingCall; output: Promise<Uint8Array> } {
    const call = this.#nextCall++;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const pending: PendingCall = {
      rpc,
      resolve,
      reject,
      hostCalls: 0,
      perCapability: new Map(),
      waiting: false,
      failures,
      within: AsyncLocalStorage.snapshot(),
    };
    this.#pending.set(call, pending);
    return { call, pending, output: promise };
  }

  get(call: number): PendingCall | undefined {
    return this.#pending.get(call);
  }

  /** The state of a call that exists. Asked once per frame: a dropped call has one frame left, and ends with it. */
  takeState(call: number): "running" | "waiting" | "dropped" | "ended" {
    const pending = this.#pending.get(call);
    if (pending !== undefined) return pending.waiting ? "waiting" : "running";
    return this.#dropped.delete(call) ? "dropped" : "ended";
  }

  /** Ends a call, and aborts its host call. */
  end(call: number): void {
    this.#pending.get(call)?.abort?.abort(OVER);
    this.#pending.delete(call);
  }

  /** Ends a call whose instance the process is told to drop. */
  drop(call: number): void {
    this.end(call);
    this.#dropped.add(call);
    const [oldest] = this.#dropped;
    if (this.#dropped.size > MAX_DROPPED && oldest !== undefined) this.#dropped.delete(oldest);
  }

  /** Ends a call with the guest's result, unless its deadline has passed or one of its host calls was denied. */
  settle(call: number, settle: (pending: PendingCall) => void): void {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    this.end(call);
    if (pending.denied === undefined) settle(pending);
    else pending.reject(new KleidiError("capability-denied", pending.denied));
  }

  rejectAll(error: Error): void {
    for (const [call, { reject }] of this.#pending) {
      this.end(call);
      reject(error);
    }
  }
}
