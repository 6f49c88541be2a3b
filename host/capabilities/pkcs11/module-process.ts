/**
 * One process of a vendor's PKCS #11 module. It starts behind the wall and sees its module, the libraries of the system and the paths of the
 * grant. It gets one request at a time, and each answer is distrusted: a process that sends anything else is killed.
 */
import type { ChildProcess } from "node:child_process";
import type { Duplex } from "node:stream";
import { FrameReader, FrameWriter } from "../../sandbox/wire.mjs";
import { failure, ModuleFailure, parseFailure } from "./failure.ts";
import { joinFields, MAX_PAYLOAD, Message, splitFields } from "./module/protocol.mjs";

/** Node starts in 50 ms, on a busy machine in several hundred. */
const START_MS = 10_000;
const MAX_STDERR = 4096;
const MAX_REASON = 160;

interface Pending {
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: ModuleFailure) => void;
}

export class ModuleProcess {
  readonly #process: ChildProcess;
  readonly #link: Duplex | undefined;
  readonly #writer: FrameWriter | undefined;
  readonly #started = Promise.withResolvers<void>();
  #pending: Pending | undefined;
  #number = 0;
  #hasStarted = false;
  #gone: ModuleFailure | undefined;
  #stderr = "";

  /** @param process started with the program module/main.mjs */
  constructor(process: ChildProcess) {
    this.#process = process;
    this.#link = (process.stdio as (Duplex | null | undefined)[] | undefined)?.[3] ?? undefined;
    this.#writer = this.#link && new FrameWriter(this.#link);
    this.#started.promise.catch(() => {});
    process.on("error", (error) => this.#end(failure("gone", error.message)));
    process.on("exit", (code, signal) =>
      this.#end(failure("gone", signal ?? `exit code ${code}`, this.#stderr)),
    );
    this.#readStderr();
    this.#readFrames();
  }

  /** The reason of its end; undefined while it serves. */
  get gone(): ModuleFailure | undefined {
    return this.#gone;
  }

  /** For tests. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /**
   * Sends a request; only one at a time.
   * @param type OPEN, LOGIN, FIND, ENCRYPT or DECRYPT of Message
   * @param ms the time for the module's answer: at its end the process is killed, because nothing else ends a native call
   * @throws ModuleFailure
   */
  async request(type: number, fields: readonly Uint8Array[], ms: number): Promise<Buffer> {
    await this.#start();
    if (this.#gone !== undefined) throw this.#gone;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#pending = { resolve, reject };
    this.#number += 1;
    this.#writer?.send(type, this.#number, joinFields(fields));
    const timer = setTimeout(() => this.kill(failure("late", `${ms} ms`)), ms);
    return await promise.finally(() => clearTimeout(timer));
  }

  kill(why: ModuleFailure = failure("gone")): void {
    this.#end(why);
    // If bubblewrap is killed while it builds the wall, its child waits forever: it ends when its link is closed.
    if (this.#hasStarted) this.#process.kill("SIGKILL");
    this.#link?.destroy();
  }

  /** Waits until the program runs. Until then it gets nothing, because it could outlive the host. */
  async #start(): Promise<void> {
    const timer = setTimeout(
      () => this.kill(failure("late", `it did not start in ${START_MS} ms`)),
      START_MS,
    );
    await this.#started.promise.finally(() => clearTimeout(timer));
  }

  /** Keeps the first line, for the reason of an end, and closes it when it gets long: reading more would cost the host time. */
  #readStderr(): void {
    const { stderr } = this.#process;
    let left = MAX_STDERR;
    stderr?.on("data", (chunk: Buffer) => {
      if (this.#stderr === "") this.#stderr = firstLine(chunk.toString("latin1", 0, left));
      left -= chunk.length;
      if (left <= 0) stderr.destroy();
    });
  }

  #readFrames(): void {
    const reader = new FrameReader(MAX_PAYLOAD, (type, call, payload) => this.#receive(type, call, payload));
    this.#link?.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch {
        this.kill(failure("gone", "it sent a malformed frame"));
      }
    });
    // The "exit" event reports the end.
    this.#link?.on("error", () => {});
  }

  #receive(type: number, call: number, payload: Buffer): void {
    if (this.#gone !== undefined) {
      if (type === Message.STARTED) this.#process.kill("SIGKILL");
      return;
    }
    if (type === Message.STARTED && !this.#hasStarted) {
      this.#hasStarted = true;
      this.#started.resolve();
      return;
    }
    const pending = call === this.#number ? this.#pending : undefined;
    const result = pending && resultOf(type, payload);
    if (result === undefined) {
      this.kill(failure("gone", "it sent a message that no module can cause"));
      return;
    }
    this.#pending = undefined;
    if (result instanceof ModuleFailure) pending?.reject(result);
    else pending?.resolve(result);
  }

  #end(why: ModuleFailure): void {
    if (this.#gone !== undefined) return;
    this.#gone = why;
    this.#started.reject(why);
    this.#pending?.reject(why);
    this.#pending = undefined;
  }
}

function resultOf(type: number, payload: Buffer): Buffer | ModuleFailure | undefined {
  if (type === Message.FAILED) return parseFailure(payload);
  if (type !== Message.DONE) return undefined;
  try {
    const [answer, second] = splitFields(payload);
    // A copy: the payload is valid during the call only.
    return answer === undefined || second !== undefined ? undefined : Buffer.from(answer);
  } catch {
    return undefined;
  }
}

function firstLine(text: string): string {
  return text
    .replace(/[^\x20-\x7e\n]/g, "?")
    .trimStart()
    .split("\n", 1)
    .join("")
    .slice(0, MAX_REASON);
}
