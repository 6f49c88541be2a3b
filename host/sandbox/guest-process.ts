/** The operating system's side of a provider's process: it starts behind a wall, sends and receives frames, and ends once, for one reason. */
import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { guestArguments } from "./guest-arguments.ts";
import type { Wall } from "./wall/build.ts";
import { Frame, FrameReader, FrameWriter, MAX_CHILD_FRAME } from "./wire.mjs";

export interface ProcessOptions {
  readonly memoryBytes: number;
  /** The memory limit of the process, with all its instances and Node's own heap, in bytes. */
  readonly processMemoryBytes: number;
  /** The process lives for seconds: its heap may grow before it is collected. */
  readonly isRoomy?: boolean;
  /** Called with the text that the process writes to stderr; only Node itself does. After 4 KiB stderr is closed. */
  readonly onStderr: (text: string) => void;
  /** Starts the process. */
  readonly wall: Pick<Wall, "start" | "endOf">;
}

export interface ProcessEvents {
  /** Called for each frame until the process is being ended. */
  onFrame(type: number, call: number, payload: Buffer): void;
  /** Called once, before `ended` is fulfilled. */
  onEnd(how: string): void;
}

export interface End {
  /** The signal, the exit code, or the reason why the host killed it. */
  readonly how: string;
  /** It did something that no guest can make it do: an attacker left WebAssembly, so the module must not run again. */
  readonly takenOver: boolean;
}

const MAX_STDERR = 4096;
/** The most bytes that may wait for a process to read them. All concurrent calls with the largest messages need less. */
const MAX_UNREAD = 80 << 20;
/** The time for a process to exit after it closed its link. */
const LINK_MS = 1000;
/** The time to read the rest of stderr after the process exited. */
const STDERR_DRAIN_MS = 1000;
/** The signal of the seccomp filter, for a system call that Node never makes. */
const FILTERED = "SIGSYS";

export class GuestProcess {
  readonly #process: ChildProcess;
  readonly #writer: FrameWriter;
  readonly #events: ProcessEvents;
  readonly ended: Promise<End>;
  #started = false;
  #gone: string | undefined;
  #isTakenOver = false;

  constructor(options: ProcessOptions, events: ProcessEvents) {
    this.#events = events;
    const { wall, memoryBytes, isRoomy, processMemoryBytes } = options;
    this.#process = wall.start(guestArguments(memoryBytes, isRoomy), processMemoryBytes);
    // If no descriptor is left, spawn returns no stdio and emits "error" with the reason.
    const stdio = this.#process.stdio as (Duplex | undefined)[] | undefined;
    const link = stdio?.[3] ?? new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    this.#writer = new FrameWriter(link);
    this.ended = this.#followEnd(link, options.wall);
    this.#readFrames(link);
    this.#forwardStderr(options.onStderr);
  }

  /** The reason of its end, from the moment in which the end is decided; undefined while it serves. */
  get gone(): string | undefined {
    return this.#gone;
  }

  get started(): boolean {
    return this.#started;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Sends a frame. A process that does not read its frames is killed. */
  send(type: number, call: number, ...parts: Uint8Array[]): void {
    // The writer holds the frames of the current turn of the event loop; the socket does not count them yet.
    if (this.#writer.unreadBytes > MAX_UNREAD)
      this.killTakenOver(`it does not read its answers: over ${MAX_UNREAD} bytes are waiting`);
    else this.#writer.send(type, call, ...parts);
  }

  /**
   * Sends SIGKILL, the only signal that ends a looping guest. A process that has not started yet is killed at STARTED, or by killNow:
   * if bubblewrap is killed while it builds the wall, its child waits forever.
   */
  kill(reason: string): void {
    this.#gone ??= reason;
    if (this.#started) this.#process.kill("SIGKILL");
  }

  /** Kills it even if it has not started. */
  killNow(reason: string): void {
    this.#gone ??= reason;
    this.#process.kill("SIGKILL");
  }

  /** Kills a process that an attacker controls, and reports it as taken over. */
  killTakenOver(reason: string): void {
    this.#isTakenOver = true;
    this.killNow(reason);
  }

  #followEnd(link: Duplex, wall: ProcessOptions["wall"]): Promise<End> {
    const ended = Promise.withResolvers<End>();
    const end = (reason: string) => {
      this.#gone ??= reason;
      this.#events.onEnd(this.#gone);
      // The wall's own process can exit before it has bound Node's life to its own. Closing the link ends Node.
      link.destroy();
      ended.resolve({ how: this.#gone, takenOver: this.#isTakenOver });
    };
    this.#process.on("exit", (code, signal) => {
      const how = wall.endOf(code, signal);
      if (how === FILTERED) this.#isTakenOver = true;
      end(how === FILTERED ? "it made a system call that Node never makes" : how);
    });
    this.#process.on("error", (error) => end(`it could not be started: ${error.message}`));
    link.once("end", () => {
      // A process that exits also closes its link; the "exit" event follows a moment later.
      setTimeout(
        () => this.#gone === undefined && this.killTakenOver("it closed its link but kept running"),
        LINK_MS,
      ).unref();
    });
    return ended.promise;
  }

  #readFrames(link: Duplex): void {
    const reader = new FrameReader(MAX_CHILD_FRAME, (type, call, payload) =>
      this.#receive(type, call, payload),
    );
    link.on("data", (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        this.killTakenOver(`it sent a malformed frame: ${(error as Error).message}`);
      }
    });
    // A write to a process that just exited; the "exit" event reports that.
    link.on("error", () => {});
  }

  #receive(type: number, call: number, payload: Buffer): void {
    if (this.#gone === undefined) this.#events.onFrame(type, call, payload);
    // Other frames of a process that is being ended are ignored.
    else if (type === Frame.STARTED) this.#process.kill("SIGKILL");
    if (type === Frame.STARTED) this.#started = true;
  }

  #forwardStderr(onStderr: (text: string) => void): void {
    let left = MAX_STDERR;
    const stderr = this.#process.stderr as Socket | null;
    // The last text is still to be read. A process that inherited the pipe must not delay the end of the host.
    this.#process.once("exit", () => {
      stderr?.unref();
      setTimeout(() => stderr?.destroy(), STDERR_DRAIN_MS).unref();
    });
    stderr?.on("data", (chunk: Buffer) => {
      onStderr(chunk.toString("utf8", 0, left));
      left -= chunk.length;
      // Reading more would cost the host time for as long as the process writes.
      if (left <= 0) stderr?.destroy();
    });
  }
}
