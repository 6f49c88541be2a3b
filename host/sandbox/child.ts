/**
 * One process of one provider. It is started behind a wall with nothing: no environment, no network, no files but its own code, one
 * descriptor to here. Everything it sends is bounded and checked; when it sends what our program never sends, it is killed.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import { HostReplySchema } from "../../proto/provider/v1/provider_pb.ts";
import { KleidiError } from "../error.ts";
import { type Gate, type HostAnswer, HostCode, type Rpc } from "../host-call.ts";
import { guestArguments } from "./guest-arguments.ts";
import type { Wall } from "./wall/build.ts";
import { Frame, FrameReader, FrameWriter, MAX_CHILD_FRAME, MAX_MESSAGE, RPCS } from "./wire.mjs";

export interface ChildOptions {
  readonly provider: string;
  /** As admission gives it. */
  readonly module: Uint8Array;
  /** The module's imports as admission read them, in order: the engine must see the same ones. */
  readonly imports: readonly { readonly module: string; readonly name: string }[];
  readonly memoryBytes: number;
  /** What the process may use, all its instances and Node's own heap together, in bytes. */
  readonly processMemoryBytes: number;
  readonly hostCalls: number;
  /** Largest output of an export, in bytes. */
  readonly outputBytes: number;
  readonly gate: Gate;
  /** What the process wrote to its stderr: only Node itself writes there. 4 KiB in all, then it is closed. */
  readonly onStderr: (text: string) => void;
  /** Starts the process. */
  readonly wall: Pick<Wall, "start" | "endOf">;
}

/** The process is gone; the call may be tried once more on another one. */
export class ChildGone extends Error {}

export interface End {
  readonly how: string;
  /** It did what no guest can make it do: whoever did that is out of WebAssembly, and this module is not run again. */
  readonly taken: boolean;
}

interface Pending {
  readonly rpc: Rpc;
  readonly resolve: (output: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  hostCalls: number;
  readonly perCapability: Map<string, number>;
  /** A host call is on its way: the guest is not the one that is slow. */
  waiting: boolean;
  /** A denial voids the call, whatever the guest makes of it. */
  denied?: string;
  /** Aborted when the call is over; made with its first host call. */
  over?: AbortController;
  /** Runs something in the async context of the call's maker, whose RPC its host calls are a part of. */
  readonly within: ReturnType<typeof AsyncLocalStorage.snapshot>;
}

/** Why host calls of a call that is over are given up: one for all, as each would be made with a stack. */
const OVER = new Error("the call is over");
const NO_BODY = new Uint8Array();
const MAX_STDERR = 4096;
/** What may wait to be read by a process that goes on asking: all calls at once with the largest messages are less. */
const MAX_UNREAD = 80 << 20;
/** For a process whose link ended to end itself. */
const LINK_MS = 1000;
/** For what a process wrote to stderr before it ended. */
const LAST_WORDS_MS = 1000;
/** Calls that the host gave up and that may still send one frame. Far more than can be on their way at once. */
const MAX_DROPPED = 4096;
/** The seccomp filter ended it: it asked the kernel for what Node never asks for. */
const FILTERED = "SIGSYS";
// Compiling and a first instance take 50 ms.
const LOAD_MS = 5_000;

export class Child {
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #writer: FrameWriter;
  /** "kleidi:log write" of each import. */
  readonly #imported: ReadonlySet<string>;
  readonly #pending = new Map<number, Pending>();
  /** Calls that the host gave up: each may have sent one frame before it heard of that. */
  readonly #dropped = new Set<number>();
  readonly #loaded = Promise.withResolvers<void>();
  readonly ended: Promise<End>;
  #nextCall = 1;
  #started = false;
  #loadingEnded = false;
  #gone: string | undefined;
  #taken = false;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#imported = new Set(options.imports.map(({ module, name }) => `${module} ${name}`));
    this.#process = options.wall.start(guestArguments(options.memoryBytes), options.processMemoryBytes);
    // Without a descriptor left, spawn gives no stdio at all and says why in "error".
    const stdio = this.#process.stdio as (Duplex | undefined)[] | undefined;
    const link = stdio?.[3] ?? new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    link.once("end", () => {
      // A process that ends closes its link too, and its end is told a moment later.
      setTimeout(
        () => this.#gone === undefined && this.#takenOver("it closed its link and lives on"),
        LINK_MS,
      ).unref();
    });
    const ended = Promise.withResolvers<End>();
    this.ended = ended.promise;
    const end = (how: string) => {
      this.#gone ??= how;
      for (const [call, { reject }] of this.#pending) {
        this.#forget(call);
        reject(new ChildGone(this.#gone));
      }
      this.#loaded.reject(new ChildGone(this.#gone));
      // A wall's own process may end before it has bound Node's life to its own: Node then ends with the link.
      link.destroy();
      ended.resolve({ how: this.#gone, taken: this.#taken });
    };
    this.#process.on("exit", (code, signal) => {
      const how = options.wall.endOf(code, signal);
      if (how === FILTERED) this.#taken = true;
      end(how === FILTERED ? "it made a system call that Node never makes" : how);
    });
    this.#process.on("error", (error) => end(`it could not be started: ${error.message}`));
    this.#writer = new FrameWriter(link);
    const reader = new FrameReader(MAX_CHILD_FRAME, (type, call, payload) => this.#take(type, call, payload));
    link.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#takenOver(`it sent what is no frame: ${(error as Error).message}`);
      }
    });
    // A write to a process that just ended; its end is told by "exit".
    link.on("error", () => {});
    this.#forwardStderr();
    const timer = setTimeout(() => this.#lateLoad(), LOAD_MS);
    this.#loaded.promise.catch(() => {}).finally(() => clearTimeout(timer));
  }

  /** @throws KleidiError module-invalid; ChildGone */
  get loaded(): Promise<void> {
    return this.#loaded.promise;
  }

  get alive(): boolean {
    return this.#gone === undefined;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /**
   * One call of the guest. Past the deadline the process is killed, unless the guest is waiting for the host: then only its
   * instance goes.
   * @param deadline on the clock of performance.now()
   * @throws KleidiError provider-fault, capability-denied, deadline; ChildGone
   */
  call(rpc: Rpc, input: Uint8Array, deadline: number): Promise<Uint8Array> {
    if (this.#gone !== undefined) return Promise.reject(new ChildGone(this.#gone));
    const call = this.#nextCall++;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const pending: Pending = {
      rpc,
      resolve,
      reject,
      hostCalls: 0,
      perCapability: new Map(),
      waiting: false,
      within: AsyncLocalStorage.snapshot(),
    };
    this.#pending.set(call, pending);
    const timer = setTimeout(() => this.#expire(call, pending), Math.max(0, deadline - performance.now()));
    this.#writer.send(Frame.CALL, call, Uint8Array.of(RPCS.indexOf(rpc)), input);
    return promise.finally(() => clearTimeout(timer));
  }

  /** Only to a process that runs: what it is sent before its life is bound to the host's could outlive the host. */
  #load(): void {
    const { hostCalls, outputBytes, module } = this.#options;
    const imports = this.#options.imports.map(({ module, name }) => [module, name]);
    const text = Buffer.from(JSON.stringify({ hostCalls, outputBytes, imports }));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    this.#writer.send(Frame.LOAD, 0, length, text, module);
  }

  /**
   * SIGKILL: a guest that spins hears nothing else. A process that has not started yet gets it when it has, or after LOAD_MS: bubblewrap's
   * own process, killed while it builds the wall, leaves the one that it made behind, waiting for ever.
   */
  kill(reason: string): void {
    this.#gone ??= reason;
    if (this.#started) this.#process.kill("SIGKILL");
  }

  /** Ends a process that is no longer ours, and says so. */
  #takenOver(reason: string): void {
    this.#taken = true;
    this.#gone ??= reason;
    this.#process.kill("SIGKILL");
  }

  /** The call is over: what the host still does for it is given up. */
  #forget(call: number): void {
    this.#pending.get(call)?.over?.abort(OVER);
    this.#pending.delete(call);
  }

  /** A start function that loops. */
  #lateLoad(): void {
    const message = `Cannot load provider "${this.#options.provider}": it was not ready within ${LOAD_MS} ms`;
    this.#loaded.reject(new KleidiError("module-invalid", message));
    this.#gone ??= "it was not ready in time";
    this.#process.kill("SIGKILL");
  }

  #expire(call: number, pending: Pending): void {
    this.#forget(call);
    const where = pending.waiting ? "while it waited for the host" : "and was stopped";
    pending.reject(
      new KleidiError(
        "deadline",
        `Cannot ${pending.rpc}: provider "${this.#options.provider}" ran into its deadline ${where}`,
      ),
    );
    if (pending.waiting) this.#drop(call);
    else this.kill("a call ran into its deadline");
  }

  #drop(call: number): void {
    this.#dropped.add(call);
    const [oldest] = this.#dropped;
    if (this.#dropped.size > MAX_DROPPED && oldest !== undefined) this.#dropped.delete(oldest);
    this.#writer.send(Frame.DROP, call);
  }

  #take(type: number, call: number, payload: Buffer): void {
    // A process that is being killed may have much more to say.
    if (this.#gone !== undefined) {
      if (type === Frame.STARTED) this.#process.kill("SIGKILL");
      return;
    }
    const fault = this.#faultOf(type, call, payload);
    if (fault !== undefined) {
      this.#takenOver(fault);
    } else if (type === Frame.STARTED) {
      this.#started = true;
      this.#load();
    } else if (type === Frame.LOADED) {
      this.#loadingEnded = true;
      this.#loaded.resolve();
    } else if (type === Frame.FAILED && call === 0) {
      this.#loadingEnded = true;
      const message = `Cannot load provider "${this.#options.provider}": its module cannot be compiled or made ready`;
      this.#loaded.reject(new KleidiError("module-invalid", message, payload.toString("utf8", 0, 512)));
    } else if (type === Frame.RESULT) {
      this.#settle(call, (pending) => pending.resolve(new Uint8Array(payload)));
    } else if (type === Frame.FAILED) {
      const cause = payload.toString("utf8", 0, 512);
      const message = `Cannot get a reply of provider "${this.#options.provider}": its guest failed`;
      this.#settle(call, (pending) => pending.reject(new KleidiError("provider-fault", message, cause)));
    } else if (type === Frame.HOST_CALL) {
      void this.#hostCall(call, payload);
    }
  }

  /** What no guest can make our own program say: the process is no longer ours. */
  #faultOf(type: number, call: number, payload: Buffer): string | undefined {
    if (type === Frame.STARTED) {
      return call !== 0 || this.#started ? "it reported its start a second time" : undefined;
    }
    if (!this.#started) return `it sent a frame of type ${type} before its start`;
    const ofLoading = type === Frame.LOADED || (type === Frame.FAILED && call === 0);
    if (ofLoading) {
      if (call !== 0 || this.#loadingEnded) return "it told of its loading a second time";
      return undefined;
    }
    if (type !== Frame.RESULT && type !== Frame.FAILED && type !== Frame.HOST_CALL) {
      return `it sent a frame of type ${type}`;
    }
    if (call === 0 || call >= this.#nextCall) return `it told of call ${call}, which was never made`;
    const limit = this.#options.outputBytes;
    // The process keeps this limit too: it refuses the guest, this refuses the process.
    if (type === Frame.RESULT && payload.length > limit) {
      return `its reply is ${payload.length} bytes, at most ${limit} are allowed`;
    }
    // One frame may have crossed the DROP. Without an end, frames of finished calls would be a flood that costs the sender nothing.
    if (!this.#pending.has(call) && !this.#dropped.delete(call))
      return `it went on with call ${call}, which is over`;
    // A denial may be on its way: a reply that overtakes it would not be void.
    if (this.#pending.get(call)?.waiting) return "it went on with a call that waits for the host";
    return undefined;
  }

  #settle(call: number, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(call);
    // A call that ran into its deadline: nobody waits for this reply.
    if (pending === undefined) return;
    this.#forget(call);
    if (pending.denied === undefined) settle(pending);
    else pending.reject(new KleidiError("capability-denied", pending.denied));
  }

  async #hostCall(call: number, payload: Buffer): Promise<void> {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    const { capability, operation, request } = splitHostCall(payload);
    pending.hostCalls += 1;
    // Only its imports can be called, and the budget is kept beside the guest: only a process that is no longer ours does this.
    const over = pending.hostCalls > this.#options.hostCalls || request.length > MAX_MESSAGE;
    if (over || !this.#imported.has(`kleidi:${capability} ${operation}`)) {
      this.#takenOver("it sent a host call that no guest can make");
      return;
    }
    if (pending.denied !== undefined) {
      this.#answer(call, { code: HostCode.DENIED, message: pending.denied, body: NO_BODY });
      return;
    }
    const ofCapability = (pending.perCapability.get(capability) ?? 0) + 1;
    pending.perCapability.set(capability, ofCapability);
    pending.waiting = true;
    pending.over ??= new AbortController();
    const answer = await pending.within(this.#options.gate, {
      provider: this.#options.provider,
      rpc: pending.rpc,
      ordinal: pending.hostCalls,
      ordinalOfCapability: ofCapability,
      capability,
      operation,
      request,
      signal: pending.over.signal,
    });
    pending.waiting = false;
    if (answer.code === HostCode.DENIED) pending.denied ??= answer.message;
    if (this.#pending.get(call) === pending) this.#answer(call, answer);
  }

  #answer(call: number, answer: HostAnswer): void {
    // Answers of one turn of the event loop wait in the writer: the socket alone does not know them.
    if (this.#writer.unreadBytes > MAX_UNREAD)
      this.#takenOver(`it asks and does not read: over ${MAX_UNREAD} bytes wait for it`);
    else this.#writer.send(Frame.ANSWER, call, toBinary(HostReplySchema, create(HostReplySchema, answer)));
  }

  #forwardStderr(): void {
    let left = MAX_STDERR;
    const stderr = this.#process.stderr as Socket | null;
    // What it wrote last is still to be read. But somebody may have inherited the pipe from it, and must not hold the end of the host.
    this.#process.once("exit", () => {
      stderr?.unref();
      setTimeout(() => stderr?.destroy(), LAST_WORDS_MS).unref();
    });
    stderr?.on("data", (chunk: Buffer) => {
      this.#options.onStderr(chunk.toString("utf8", 0, left));
      left -= chunk.length;
      // Read on, it would cost the host time for as long as the process likes.
      if (left <= 0) stderr?.destroy();
    });
  }
}

function splitHostCall(payload: Buffer): { capability: string; operation: string; request: Uint8Array } {
  const first = payload[0] ?? 0;
  const second = payload[1 + first] ?? 0;
  return {
    capability: payload.toString("utf8", 1, 1 + first),
    operation: payload.toString("utf8", 2 + first, 2 + first + second),
    request: new Uint8Array(payload.subarray(2 + first + second)),
  };
}
