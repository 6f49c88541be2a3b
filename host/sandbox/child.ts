/**
 * One process of one provider. It is started with nothing: no environment, no network, no files but its own code, one descriptor
 * to here. Whatever it says is bounded and checked; when it says what it should not, it is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import { HostReplySchema } from "../../proto/provider/v1/provider_pb.ts";
import { KleidiError } from "../error.ts";
import { type Gate, HostCode, type Rpc } from "../host-call.ts";
import { Frame, FrameReader, FrameWriter, MAX_CHILD_FRAME, RPCS } from "./wire.mjs";

export interface ChildOptions {
  readonly provider: string;
  readonly module: Uint8Array;
  readonly memoryBytes: number;
  readonly hostCalls: number;
  readonly gate: Gate;
  /** What the process wrote to its stderr: only Node itself writes there. Cut to 4 KiB in all. */
  readonly onStderr: (text: string) => void;
}

/** The process is gone; the call may be tried once more on another one. */
export class ChildGone extends Error {}

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
}

const root = join(import.meta.dirname, "..", "..");
const program = join(import.meta.dirname, "guest", "main.mjs");
/** All that the process may read. */
const readable = [
  join(import.meta.dirname, "guest"),
  join(import.meta.dirname, "wire.mjs"),
  join(root, "package.json"),
  join(root, "node_modules", "@extism", "extism"),
];
const PAGE = 65_536;
const MAX_STDERR = 4096;
// Compiling and a first instance take 50 ms.
const LOAD_MS = 5_000;
/** Of a capability or an operation, as a manifest may have it. */
const NAME = /^[a-z][a-z0-9_]{0,31}$/;

export class Child {
  readonly #options: ChildOptions;
  readonly #process: ChildProcess;
  readonly #writer: FrameWriter;
  readonly #pending = new Map<number, Pending>();
  readonly #loaded = Promise.withResolvers<void>();
  /** Resolves with how it ended. */
  readonly ended: Promise<string>;
  #nextCall = 1;
  #gone: string | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#process = spawn(process.execPath, [...confinement(options.memoryBytes), program], {
      cwd: "/",
      env: {},
      stdio: ["ignore", "ignore", "pipe", "pipe"],
    });
    const ended = Promise.withResolvers<string>();
    this.ended = ended.promise;
    const end = (how: string) => {
      this.#gone ??= how;
      for (const { reject } of this.#pending.values()) reject(new ChildGone(this.#gone));
      this.#pending.clear();
      this.#loaded.reject(new ChildGone(this.#gone));
      ended.resolve(this.#gone);
    };
    this.#process.on("exit", (code, signal) => end(signal ?? `exit code ${code}`));
    this.#process.on("error", (error) => end(`it could not be started: ${error.message}`));
    // Without a descriptor left, spawn gives no stdio at all and says why in "error".
    const stdio = this.#process.stdio as (Duplex | undefined)[] | undefined;
    const link = stdio?.[3] ?? new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    this.#writer = new FrameWriter(link);
    const reader = new FrameReader(MAX_CHILD_FRAME, (type, call, payload) => this.#take(type, call, payload));
    link.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.kill(`it sent what is no frame: ${(error as Error).message}`);
      }
    });
    // A write to a process that just ended; its end is told by "exit".
    link.on("error", () => {});
    this.#forwardStderr();
    const timer = setTimeout(() => this.#lateLoad(), LOAD_MS);
    this.#loaded.promise.catch(() => {}).finally(() => clearTimeout(timer));
    const text = Buffer.from(JSON.stringify({ hostCalls: options.hostCalls }));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    this.#writer.send(Frame.LOAD, 0, length, text, options.module);
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
    const pending: Pending = { rpc, resolve, reject, hostCalls: 0, perCapability: new Map(), waiting: false };
    this.#pending.set(call, pending);
    const timer = setTimeout(() => this.#expire(call, pending), Math.max(0, deadline - performance.now()));
    this.#writer.send(Frame.CALL, call, Uint8Array.of(RPCS.indexOf(rpc)), input);
    return promise.finally(() => clearTimeout(timer));
  }

  /** SIGKILL: a guest that spins hears nothing else. */
  kill(reason: string): void {
    this.#gone ??= reason;
    this.#process.kill("SIGKILL");
  }

  /** A start function that loops. */
  #lateLoad(): void {
    const message = `Cannot load provider "${this.#options.provider}": it was not ready within ${LOAD_MS} ms`;
    this.#loaded.reject(new KleidiError("module-invalid", message));
    this.kill("it was not ready in time");
  }

  #expire(call: number, pending: Pending): void {
    this.#pending.delete(call);
    const where = pending.waiting ? "while it waited for the host" : "and was stopped";
    pending.reject(
      new KleidiError(
        "deadline",
        `Cannot ${pending.rpc}: provider "${this.#options.provider}" ran into its deadline ${where}`,
      ),
    );
    if (pending.waiting) this.#writer.send(Frame.DROP, call);
    else this.kill("a call ran into its deadline");
  }

  #take(type: number, call: number, payload: Buffer): void {
    if (type === Frame.LOADED) {
      this.#loaded.resolve();
    } else if (type === Frame.FAILED && call === 0) {
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
    } else {
      this.kill(`it sent a frame of type ${type}`);
    }
  }

  #settle(call: number, settle: (pending: Pending) => void): void {
    const pending = this.#pending.get(call);
    // A call that ran into its deadline: nobody waits for this reply.
    if (pending === undefined) return;
    this.#pending.delete(call);
    if (pending.denied === undefined) settle(pending);
    else pending.reject(new KleidiError("capability-denied", pending.denied));
  }

  async #hostCall(call: number, payload: Buffer): Promise<void> {
    const pending = this.#pending.get(call);
    if (pending === undefined) return;
    const { capability, operation, request } = splitHostCall(payload);
    // A guest waits for each answer, and its imports passed admission: only a process that is no longer ours does this.
    if (pending.waiting || !NAME.test(capability) || !NAME.test(operation)) {
      this.kill("it sent a host call that no guest can make");
      return;
    }
    if (pending.denied !== undefined) {
      const again = create(HostReplySchema, { code: HostCode.DENIED, message: pending.denied });
      this.#writer.send(Frame.ANSWER, call, toBinary(HostReplySchema, again));
      return;
    }
    pending.hostCalls += 1;
    const ofCapability = (pending.perCapability.get(capability) ?? 0) + 1;
    pending.perCapability.set(capability, ofCapability);
    pending.waiting = true;
    const answer = await this.#options.gate({
      provider: this.#options.provider,
      rpc: pending.rpc,
      ordinal: pending.hostCalls,
      ordinalOfCapability: ofCapability,
      capability,
      operation,
      request,
    });
    pending.waiting = false;
    if (answer.code === HostCode.DENIED) pending.denied ??= answer.message;
    if (this.#pending.get(call) !== pending) return;
    this.#writer.send(Frame.ANSWER, call, toBinary(HostReplySchema, create(HostReplySchema, answer)));
  }

  #forwardStderr(): void {
    let left = MAX_STDERR;
    this.#process.stderr?.on("data", (chunk: Buffer) => {
      if (left <= 0) return;
      this.#options.onStderr(chunk.toString("utf8", 0, left));
      left -= chunk.length;
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

/** The flags that a provider's process is started with, before its program. */
export function confinement(memoryBytes: number): string[] {
  return [
    "--permission",
    ...readable.map((path) => `--allow-fs-read=${path}`),
    // The permission model is announced as one layer, not a wall; Node says so on stderr each time.
    "--disable-warning=SecurityWarning",
    "--disable-warning=ExperimentalWarning",
    "--disallow-code-generation-from-strings",
    `--wasm-max-mem-pages=${Math.floor(memoryBytes / PAGE)}`,
    // Explicit bounds checks instead of a guard region of gigabytes around each memory: a fresh instance costs a fifth less.
    "--disable-wasm-trap-handler",
    // Most of a process's memory is garbage of short life: bounded, it stays at half, and collecting it costs no more than this.
    "--max-semi-space-size=8",
    "--max-old-space-size=64",
  ];
}
