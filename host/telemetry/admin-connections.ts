/**
 * The connections of the admin listener. One is for one request, and lives for ten seconds at most: that bounds its silence, its header,
 * its wait and an answer that nobody reads. Where there are too many, a silent one goes for a new one; not faster than one in five milliseconds,
 * the newest first: who connects again and again keeps others from nothing but their turn.
 */
import type { Socket } from "node:net";

export interface AdminLimits {
  readonly connections: number;
  /** Beside them, not read yet. */
  readonly waiting: number;
  readonly replaceMs: number;
  readonly lifetimeMs: number;
  readonly headBytes: number;
}

export const ADMIN_LIMITS: AdminLimits = {
  connections: 128,
  waiting: 512,
  replaceMs: 5,
  lifetimeMs: 10_000,
  headBytes: 8_192,
};

/** Why the admin listener closed a connection, or left what it sent unread; for the log. */
export const ADMIN_CLOSE_REASONS = {
  waiting: `${ADMIN_LIMITS.waiting} connections wait for their turn, and it waited for the longest`,
  replaced: `at most ${ADMIN_LIMITS.connections} are served at once, and a new one took its place`,
  late: `its request or the reading of its answer took longer than ${ADMIN_LIMITS.lifetimeMs} ms`,
  head: `the head of its request is over ${ADMIN_LIMITS.headBytes} bytes`,
  empty: "its request begins with an empty line, after which more than one request would be read",
  pipelined: "it sent more than one request, of which only the first is answered",
} as const;
export type AdminCloseReason = keyof typeof ADMIN_CLOSE_REASONS;

const HEAD_END = "\r\n\r\n";
const CR = 0x0d;
const LF = 0x0a;

export class AdminConnections {
  readonly #onRequest: (socket: Socket) => void;
  readonly #onClosed: (reason: AdminCloseReason) => void;
  readonly #limits: AdminLimits;
  /** In the order in which they came; true: its request is there. */
  readonly #open = new Map<Socket, boolean>();
  /** In the order in which they came. */
  readonly #waiting = new Set<Socket>();
  #later: NodeJS.Timeout | undefined;

  /** @param onRequest is given a socket from which exactly one head of a request will be read */
  constructor(
    onRequest: (socket: Socket) => void,
    onClosed: (reason: AdminCloseReason) => void,
    limits = ADMIN_LIMITS,
  ) {
    this.#onRequest = onRequest;
    this.#onClosed = onClosed;
    this.#limits = limits;
  }

  /** @param socket a paused one */
  accept(socket: Socket): void {
    socket.on("error", () => {});
    if (this.#open.size < this.#limits.connections) this.#serve(socket);
    else this.#wait(socket);
  }

  #wait(socket: Socket): void {
    const [oldest] = this.#waiting;
    if (oldest !== undefined && this.#waiting.size >= this.#limits.waiting) {
      this.#waiting.delete(oldest);
      oldest.destroy();
      this.#onClosed("waiting");
    }
    this.#waiting.add(socket);
    socket.once("close", () => this.#waiting.delete(socket));
    this.#later ??= setTimeout(() => this.#takeUp(), this.#limits.replaceMs);
  }

  closeAll(): void {
    clearTimeout(this.#later);
    for (const socket of this.#waiting) socket.destroy();
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /** Node's parser reads on as long as there are requests, and makes objects of each: it is shown the first one. */
  #readHead(socket: Socket): void {
    let head = Buffer.alloc(0);
    const more = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(HEAD_END);
      // Node's parser skips it, and would take what comes after this head for the first request.
      const empty = head[0] === CR || head[0] === LF;
      if (end < 0 && head.length <= this.#limits.headBytes && !empty) return;
      socket.off("data", more).pause();
      if (empty) return this.#close(socket, "empty");
      if (end < 0 || end > this.#limits.headBytes) return this.#close(socket, "head");
      if (head.length > end + HEAD_END.length) this.#onClosed("pipelined");
      this.#open.set(socket, true);
      socket.unshift(head.subarray(0, end + HEAD_END.length));
      this.#onRequest(socket);
      socket.resume();
    };
    socket.on("data", more).resume();
  }

  #takeUp(): void {
    const newest = [...this.#waiting].at(-1);
    this.#later = undefined;
    if (newest === undefined) return;
    this.#waiting.delete(newest);
    if (this.#open.size >= this.#limits.connections) this.#replace();
    this.#serve(newest);
    if (this.#waiting.size > 0) this.#later = setTimeout(() => this.#takeUp(), this.#limits.replaceMs);
  }

  #serve(socket: Socket): void {
    this.#open.set(socket, false);
    const timer = setTimeout(() => this.#close(socket, "late"), this.#limits.lifetimeMs);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#open.delete(socket);
    });
    this.#readHead(socket);
  }

  #replace(): void {
    const [oldest] = this.#open.keys();
    const silent = [...this.#open].find(([, asked]) => !asked)?.[0];
    const victim = silent ?? oldest;
    if (victim !== undefined) this.#close(victim, "replaced");
  }

  #close(socket: Socket, reason: AdminCloseReason): void {
    if (!this.#open.delete(socket)) return;
    socket.destroy();
    this.#onClosed(reason);
  }
}
