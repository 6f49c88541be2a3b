/**
 * One process of one provider. It starts behind a wall without an environment, network or files other than its own code, and has one
 * descriptor to the host. The host limits and checks every frame; a frame that our guest program never sends kills the process.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { HostReplySchema } from "../../proto/provider/v1/provider_pb.ts";
import { KleidiError } from "../error.ts";
import type { Gate, Rpc } from "../host-call.ts";
import { faultOf } from "./frame-order.ts";
import { countHostCall, type GuestHostCall, parseHostCall, passGate } from "./guest-host-call.ts";
import { type End, GuestProcess, type ProcessOptions } from "./guest-process.ts";
import { type HostFailures, type PendingCall, PendingCalls } from "./pending-calls.ts";
import { Frame, RPCS } from "./wire.mjs";

export type { End } from "./guest-process.ts";

export interface ChildOptions extends ProcessOptions {
  readonly provider: string;
  /** The module's bytes, as admission returns them. */
  readonly module: Uint8Array;
  /** The module's imports in order, as admission read them. The engine must read the same ones. */
  readonly imports: readonly { readonly module: string; readonly name: string }[];
  /** The memory that the module imports, in pages of 64 KiB. */
  readonly memory: { readonly initial: number; readonly maximum: number };
  readonly hostCalls: number;
  /** The largest output of an export, in bytes. */
  readonly outputBytes: number;
  readonly gate: Gate;
  /** Called before the result of each call, in the caller's async context. */
  readonly onUsage?: ((usage: GuestUsage) => void) | undefined;
  /** True: the gate gets the host calls of kleidi:crypto too, to record them. By default the process computes them. */
  readonly forwardsCrypto?: boolean;
  /** Called for a host call that the guest makes after a denial, in the caller's async context. It is not performed. */
  readonly onIgnored?: (made: GuestHostCall) => void;
}

/** What one call used. */
export interface GuestUsage {
  /** The size of the guest's memory, in bytes. */
  readonly memoryBytes: number;
  /** The blocks that the guest allocated, freed ones included, and their bytes. */
  readonly blocks: number;
  readonly blockBytes: number;
  /** Milliseconds to create the instance; most instances are created before the call. */
  readonly createdMs: number;
  /** Milliseconds in which the guest ran, without those in which it waited for the host. */
  readonly ranMs: number;
}

/** The process has exited. The call can be repeated on another process. */
export class ChildGone extends Error {}

/** For loading a module, which takes 50 ms; in milliseconds. */
export const LOAD_MS = 5_000;
/** The end of a process whose module took too long to load. */
export const LOADED_LATE = "it was not ready in time";
/** The most characters of a guest's or the engine's message that the host keeps as a cause. */
const MAX_CAUSE = 512;

export class Child {
  readonly #options: ChildOptions;
  readonly #process: GuestProcess;
  /** The imports, each as "kleidi:log write". */
  readonly #imported: ReadonlySet<string>;
  readonly #calls = new PendingCalls();
  readonly #loaded = Promise.withResolvers<void>();
  #loadingEnded = false;

  /** @param loadMs milliseconds until the module must be loaded: a start function can loop */
  constructor(options: ChildOptions, loadMs = LOAD_MS) {
    this.#options = options;
    this.#imported = new Set(options.imports.map(({ module, name }) => `${module} ${name}`));
    this.#process = new GuestProcess(options, {
      onFrame: (type, call, payload) => this.#receive(type, call, payload),
      onEnd: (how) => {
        this.#calls.rejectAll(new ChildGone(how));
        this.#loaded.reject(new ChildGone(how));
      },
    });
    const timer = setTimeout(() => this.#onLateLoad(loadMs), loadMs);
    this.#loaded.promise.catch(() => {}).finally(() => clearTimeout(timer));
  }

  /** @throws KleidiError module-invalid; ChildGone */
  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  get ended(): Promise<End> {
    return this.#process.ended;
  }

  get alive(): boolean {
    return this.#process.gone === undefined;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Ends the process; a process that has not started yet ends when it has. */
  kill(reason: string): void {
    this.#process.kill(reason);
  }

  /**
   * Calls an export of the guest. At the deadline the process is killed, unless the guest waits for the host: then only its instance is
   * dropped.
   * @param deadline on the clock of performance.now(), in milliseconds
   * @param failures gets the step at which a host call of this call failed
   * @throws KleidiError provider-fault, capability-denied, deadline; ChildGone
   */
  call(rpc: Rpc, input: Uint8Array, deadline: number, failures?: HostFailures): Promise<Uint8Array> {
    const { gone } = this.#process;
    if (gone !== undefined) return Promise.reject(new ChildGone(gone));
    const { call, pending, output } = this.#calls.add(rpc, failures);
    const timer = setTimeout(() => this.#expire(call, pending), Math.max(0, deadline - performance.now()));
    this.#process.send(Frame.CALL, call, Uint8Array.of(RPCS.indexOf(rpc)), input);
    return output.finally(() => clearTimeout(timer));
  }

  /** Called after STARTED only: before that, a process with the module could outlive the host. */
  #load(): void {
    const { hostCalls, outputBytes, module, memory, forwardsCrypto = false, onUsage } = this.#options;
    const reportsUsage = onUsage !== undefined;
    const imports = this.#options.imports.map(({ module, name }) => [module, name]);
    const text = Buffer.from(
      JSON.stringify({ hostCalls, outputBytes, imports, memory, forwardsCrypto, reportsUsage }),
    );
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    this.#process.send(Frame.LOAD, 0, length, text, module);
  }

  #onLateLoad(loadMs: number): void {
    const message = `Cannot load provider "${this.#options.provider}": it was not ready within ${loadMs} ms`;
    this.#loaded.reject(new KleidiError("module-invalid/slow", message));
    this.#process.killNow(LOADED_LATE);
  }

  #expire(call: number, { rpc, waiting, reject }: PendingCall): void {
    const when = waiting ? "while it waited for the host" : "and was stopped";
    if (waiting) this.#calls.drop(call);
    else this.#calls.end(call);
    const message = `Cannot ${rpc}: provider "${this.#options.provider}" exceeded its deadline ${when}`;
    reject(new KleidiError(waiting ? "deadline/waiting" : "deadline/running", message));
    if (waiting) this.#process.send(Frame.DROP, call);
    else this.kill("a call exceeded its deadline");
  }

  #receive(type: number, call: number, payload: Buffer): void {
    const fault = faultOf(this.#frameState(), type, call, payload.length);
    if (fault !== undefined) this.#process.killTakenOver(fault);
    else if (type === Frame.STARTED) this.#load();
    else if (type === Frame.LOADED || (type === Frame.FAILED && call === 0)) this.#endLoading(type, payload);
    else if (type === Frame.USAGE) this.#reportUsage(call, payload);
    else if (type === Frame.HOST_CALL) void this.#answerHostCall(call, payload);
    else this.#settle(type, call, payload);
  }

  #frameState() {
    return {
      started: this.#process.started,
      loadingEnded: this.#loadingEnded,
      nextCall: this.#calls.nextCall,
      outputBytes: this.#options.outputBytes,
      reportsUsage: this.#options.onUsage !== undefined,
      stateOf: (call: number) => this.#calls.takeState(call),
    };
  }

  #endLoading(type: number, payload: Buffer): void {
    this.#loadingEnded = true;
    if (type === Frame.LOADED) {
      this.#loaded.resolve();
    } else {
      const message = `Cannot load provider "${this.#options.provider}": its module cannot be compiled or instantiated`;
      this.#loaded.reject(
        new KleidiError("module-invalid/engine", message, payload.toString("utf8", 0, MAX_CAUSE)),
      );
    }
  }

  #reportUsage(call: number, payload: Buffer): void {
    const { onUsage } = this.#options;
    const at = (index: number) => payload.readUInt32BE(4 * index);
    const usage = {
      memoryBytes: at(0),
      blocks: at(1),
      blockBytes: at(2),
      createdMs: at(3) / 1000,
      ranMs: at(4) / 1000,
    };
    if (onUsage !== undefined) this.#calls.get(call)?.within(onUsage, usage);
  }

  #settle(type: number, call: number, payload: Buffer): void {
    this.#calls.settle(call, ({ resolve, reject }) => {
      if (type === Frame.RESULT) return resolve(new Uint8Array(payload));
      const message = `Cannot get a reply from provider "${this.#options.provider}": its guest failed`;
      reject(new KleidiError("provider-fault/failed", message, payload.toString("utf8", 0, MAX_CAUSE)));
    });
  }

  async #answerHostCall(call: number, payload: Buffer): Promise<void> {
    const pending = this.#calls.get(call);
    if (pending === undefined) return;
    const made = parseHostCall(payload);
    if (!countHostCall(pending, made, this.#imported, this.#options.hostCalls))
      return this.#process.killTakenOver("it sent a host call that no guest can make");
    const { gate, provider, onIgnored } = this.#options;
    const answer = await passGate(pending, made, gate, provider, onIgnored);
    if (this.#calls.get(call) !== pending) return;
    const { code, message, body } = answer;
    const reply = create(HostReplySchema, { code, message, body });
    this.#process.send(Frame.ANSWER, call, toBinary(HostReplySchema, reply));
  }
}
