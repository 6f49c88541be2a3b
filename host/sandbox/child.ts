/**
 * One process of one provider. It starts behind a wall without an environment, network or files other than its own code, and has one
 * descriptor to the host. The host limits and checks every frame; a frame that our guest program never sends kills the process.
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
  /** The module's bytes, as admission returns them. */
  readonly module: Uint8Array;
  /** The module's imports in order, as admission read them. The engine must read the same ones. */
  readonly imports: readonly { readonly module: string; readonly name: string }[];
  readonly memoryBytes: number;
  /** The memory limit of the process, with all its instances and Node's own heap, in bytes. */
  readonly processMemoryBytes: number;
  readonly hostCalls: number;
  /** The largest output of an export, in bytes. */
  readonly outputBytes: number;
  readonly gate: Gate;
  /** Called with the text that the process writes to stderr; only Node itself does. After 4 KiB stderr is closed. */
  readonly onStderr: (text: string) => void;
  /** Starts the process. */
  readonly wall: Pick<Wall, "start" | "endOf">;
}

/** The process has exited. The call can be repeated on another process. */
export class ChildGone extends Error {}

export interface End {
  /** The signal, the exit code, or the reason why the host killed it. */
  readonly how: string;
  /** It did something that no guest can make it do: an attacker left WebAssembly, so the module must not run again. */
  readonly takenOver: boolean;
}

interface Pending {
  readonly rpc: Rpc;
  readonly resolve: (output: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  hostCalls: number;
  readonly perCapability: Map<string, number>;
  /** A host call is in progress: if the deadline passes now, the guest is not the cause. */
  waiting: boolean;
  /** The message of a denied host call. It voids the call, whatever the guest returns. */
  denied?: string;
  /** Aborted when the call ends; created with its first host call. */
  abort?: AbortController;
  /** Runs a function in the async context of the caller: the host calls belong to the caller's RPC. */
  readonly within: ReturnType<typeof AsyncLocalStorage.snapshot>;
}

/** The abort reason of host calls whose call has ended. Shared, because creating an error captures a stack. */
const OVER = new Error("the call is over");
const NO_BODY = new Uint8Array();
const MAX_STDERR = 4096;
/** The most bytes that may wait for a process to read them. All concurrent calls with the largest messages need less. */
const MAX_UNREAD = 80 << 20;
/** The time for a process to exit after it closed its link. */
const LINK_MS = 1000;
/** The time to read the rest of stderr after the process exited. */
const STDERR_DRAIN_MS = 1000;
/** The most dropped calls to remember; each may still send one frame. Far more than can be in transit at once. */
const MAX_DROPPED = 4096;
/** The signal of the seccomp filter, for a system call that Node never makes. */
const FILTERED = "SIGSYS";
// Compiling and the first instance take 50 ms.
const LOAD_MS = 5_000;

export class Child {
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #writer: FrameWriter;
  /** The imports, each as "kleidi:log write". */
  readonly #imported: ReadonlySet<string>;
  readonly #pending = new Map<number, Pending>();
  /** Calls that the host dropped: each may have sent one frame before it received the DROP. */
  readonly #dropped = new Set<number>();
  readonly #loaded = Promise.withResolvers<void>();
  readonly ended: Promise<End>;
  #nextCall = 1;
  #started = false;
  #loadingEnded = false;
  #gone: string | undefined;
  #isTakenOver = false;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#imported = new Set(options.imports.map(({ module, name }) => `${module} ${name}`));
    this.#process = options.wall.start(guestArguments(options.memoryBytes), options.processMemoryBytes);
    // If no descriptor is left, spawn returns no stdio and emits "error" with the reason.
    const stdio = this.#process.stdio as (Duplex | undefined)[] | undefined;
    const link = stdio?.[3] ?? new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    link.once("end", () => {
      // A process that exits also closes its link; the "exit" event follows a moment later.
      setTimeout(
        () => this.#gone === undefined && this.#killTakenOver("it closed its link but kept running"),
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
      // The wall's own process can exit before it has bound Node's life to its own. Closing the link ends Node.
      link.destroy();
      ended.resolve({ how: this.#gone, takenOver: this.#isTakenOver });
    };
    this.#process.on("exit", (code, signal) => {
      const how = options.wall.endOf(code, signal);
      if (how === FILTERED) this.#isTakenOver = true;
      end(how === FILTERED ? "it made a system call that Node never makes" : how);
    });
    this.#process.on("error", (error) => end(`it could not be started: ${error.message}`));
    this.#writer = new FrameWriter(link);
    const reader = new FrameReader(MAX_CHILD_FRAME, (type, call, payload) =>
      this.#receive(type, call, payload),
    );
    link.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.#killTakenOver(`it sent a malformed frame: ${(error as Error).message}`);
      }
    });
    // A write to a process that just exited; the "exit" event reports that.
    link.on("error", () => {});
    this.#forwardStderr();
    const timer = setTimeout(() => this.#onLateLoad(), LOAD_MS);
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
   * Calls an export of the guest. At the deadline the process is killed, unless the guest waits for the host: then only its instance is
   * dropped.
   * @param deadline on the clock of performance.now(), in milliseconds
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

  /** Called after STARTED only: before that, a process with the module could outlive the host. */
  #load(): void {
    const { hostCalls, outputBytes, module } = this.#options;
    const imports = this.#options.imports.map(({ module, name }) => [module, name]);
    const text = Buffer.from(JSON.stringify({ hostCalls, outputBytes, imports }));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    this.#writer.send(Frame.LOAD, 0, length, text, module);
  }

  /**
   * Sends SIGKILL, the only signal that ends a looping guest. A process that has not started yet is killed at STARTED, or after LOAD_MS: if
   * bubblewrap is killed while it builds the wall, its child waits forever.
   */
  kill(reason: string): void {
    this.#gone ??= reason;
    if (this.#started) this.#process.kill("SIGKILL");
  }

  /** Kills a process that an attacker controls, and reports it as taken over. */
  #killTakenOver(reason: string): void {
    this.#isTakenOver = true;
    this.#gone ??= reason;
    this.#process.kill("SIGKILL");
  }

  /** Ends a call, and aborts its host call. */
  #forget(call: number): void {
    this.#pending.get(call)?.abort?.abort(OVER);
    this.#pending.delete(call);
  }

  /** The loading took too long: a start function can loop. */
  #onLateLoad(): void {
    const message = `Cannot load provider "${this.#options.provider}": it was not ready within ${LOAD_MS} ms`;
    this.#loaded.reject(new KleidiError("module-invalid", message));
    this.#gone ??= "it was not ready in time";
    this.#process.kill("SIGKILL");
  }

  #expire(call: number, pending: Pending): void {
    this.#forget(call);
    const when = pending.waiting ? "while it waited for the host" : "and was stopped";
    pending.reject(
      new KleidiError(
        "deadline",
        `Cannot ${pending.rpc}: provider "${this.#options.provider}" exceeded its deadline ${when}`,
      ),
    );
    if (pending.waiting) this.#drop(call);
    else this.kill("a call exceeded its deadline");
  }

  #drop(call: number): void {
    this.#dropped.add(call);
    const [oldest] = this.#dropped;
    if (this.#dropped.size > MAX_DROPPED && oldest !== undefined) this.#dropped.delete(oldest);
    this.#writer.send(Frame.DROP, call);
  }

  #receive(type: number, call: number, payload: Buffer): void {
    // Frames of a process that is being killed are ignored.
    if (this.#gone !== undefined) {
      if (type === Frame.STARTED) this.#process.kill("SIGKILL");
      return;
    }
    const fault = this.#faultOf(type, call, payload);
    if (fault !== undefined) {
      this.#killTakenOver(fault);
    } else if (type === Frame.STARTED) {
      this.#started = true;
      this.#load();
    } else if (type === Frame.LOADED) {
      this.#loadingEnded = true;
      this.#loaded.resolve();
    } else if (type === Frame.FAILED && call === 0) {
      this.#loadingEnded = true;
      const message = `Cannot load provider "${this.#options.provider}": its module cannot be compiled or instantiated`;
      this.#loaded.reject(new KleidiError("module-invalid", message, payload.toString("utf8", 0, 512)));
    } else if (type === Frame.RESULT) {
      this.#settle(call, (pending) => pending.resolve(new Uint8Array(payload)));
    } else if (type === Frame.FAILED) {
      const cause = payload.toString("utf8", 0, 512);
      const message = `Cannot get a reply from provider "${this.#options.provider}": its guest failed`;
      this.#settle(call, (pending) => pending.reject(new KleidiError("provider-fault", message, cause)));
    } else if (type === Frame.HOST_CALL) {
      void this.#hostCall(call, payload);
    }
  }

  /** @returns the fault of a frame that our guest program never sends, so that the process is taken over; undefined if there is none */
  #faultOf(type: number, call: number, payload: Buffer): string | undefined {
    if (type === Frame.STARTED) {
      return call !== 0 || this.#started ? "it sent STARTED out of order" : undefined;
    }
    if (!this.#started) return `it sent a frame of type ${type} before STARTED`;
    const isLoadResult = type === Frame.LOADED || (type === Frame.FAILED && call === 0);
    if (isLoadResult) {
      if (call !== 0 || this.#loadingEnded) return "it sent the result of its loading out of order";
      return undefined;
    }
    if (type !== Frame.RESULT && type !== Frame.FAILED && type !== Frame.HOST_CALL) {
      return `it sent a frame of the unexpected type ${type}`;
    }
    if (call === 0 || call >= this.#nextCall) return `it sent a frame for call ${call}, which does not exist`;
    const limit = this.#options.outputBytes;
    // Our guest program enforces this limit too. A larger reply comes from an attacker.
    if (type === Frame.RESULT && payload.length > limit) {
      return `its reply is ${payload.length} bytes, at most ${limit} are allowed`;
    }
    // One frame may have crossed the DROP. More of them would be a flood that costs the sender nothing.
    if (!this.#pending.has(call) && !this.#dropped.delete(call))
      return `it sent a frame for call ${call}, which has ended`;
    // A denial may be in transit: a reply that overtakes it would not be void.
    if (this.#pending.get(call)?.waiting) return "it sent a frame for a call that waits for the host";
    return undefined;
  }

  #settle(call: number, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(call);
    // The call exceeded its deadline: nobody waits for this reply.
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
    // Our guest program checks the imports and the limits itself: only a process that was taken over does this.
    const isOverLimit = pending.hostCalls > this.#options.hostCalls || request.length > MAX_MESSAGE;
    if (isOverLimit || !this.#imported.has(`kleidi:${capability} ${operation}`)) {
      this.#killTakenOver("it sent a host call that no guest can make");
      return;
    }
    if (pending.denied !== undefined) {
      this.#answer(call, { code: HostCode.DENIED, message: pending.denied, body: NO_BODY });
      return;
    }
    const ordinalOfCapability = (pending.perCapability.get(capability) ?? 0) + 1;
    pending.perCapability.set(capability, ordinalOfCapability);
    pending.waiting = true;
    pending.abort ??= new AbortController();
    const answer = await pending.within(this.#options.gate, {
      provider: this.#options.provider,
      rpc: pending.rpc,
      ordinal: pending.hostCalls,
      ordinalOfCapability,
      capability,
      operation,
      request,
      signal: pending.abort.signal,
    });
    pending.waiting = false;
    if (answer.code === HostCode.DENIED) pending.denied ??= answer.message;
    if (this.#pending.get(call) === pending) this.#answer(call, answer);
  }

  #answer(call: number, answer: HostAnswer): void {
    // The writer holds the answers of the current turn of the event loop; the socket does not count them yet.
    if (this.#writer.unreadBytes > MAX_UNREAD)
      this.#killTakenOver(`it does not read its answers: over ${MAX_UNREAD} bytes are waiting`);
    else this.#writer.send(Frame.ANSWER, call, toBinary(HostReplySchema, create(HostReplySchema, answer)));
  }

  #forwardStderr(): void {
    let left = MAX_STDERR;
    const stderr = this.#process.stderr as Socket | null;
    // The last text is still to be read. A process that inherited the pipe must not delay the end of the host.
    this.#process.once("exit", () => {
      stderr?.unref();
      setTimeout(() => stderr?.destroy(), STDERR_DRAIN_MS).unref();
    });
    stderr?.on("data", (chunk: Buffer) => {
      this.#options.onStderr(chunk.toString("utf8", 0, left));
      left -= chunk.length;
      // Reading more would cost the host time for as long as the process writes.
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
