/**
 * The connections of the admin listener. A connection carries one request and lives for at most ten seconds, which bounds an idle
 * connection, a slow header, the wait in the queue and an unread answer. At the connection limit, a new connection replaces
 * one without a request. The newest waiting one is served first, at most one every five milliseconds, so that a client that reconnects
 * in a loop cannot lock others out.
 */
import type { Socket } from "node:net";

export interface AdminLimits {
  /** Connections that are served at the same time. */
  readonly connections: number;
  /** Connections in the queue, which are not read yet. */
  readonly waiting: number;
  /** The minimum time between two replacements. */
  readonly replaceMs: number;
  /** The maximum lifetime of a connection, from when it is served. */
  readonly lifetimeMs: number;
  /** The maximum size of a request head. */
  readonly headBytes: number;
}

export const ADMIN_LIMITS: AdminLimits = {
  connections: 128,
  waiting: 512,
  replaceMs: 5,
  lifetimeMs: 10_000,
  headBytes: 8_192,
};

/** Reasons for which the admin listener closes a connection or stops reading it, as log text. */
export const ADMIN_CLOSE_REASONS = {
  waiting: `the queue is full (${ADMIN_LIMITS.waiting} connections), and it waited the longest`,
  replaced: `at most ${ADMIN_LIMITS.connections} are served at once, and a new one replaced it`,
  late: `sending its request or reading its answer took longer than ${ADMIN_LIMITS.lifetimeMs} ms`,
  head: `the head of its request is larger than ${ADMIN_LIMITS.headBytes} bytes`,
  empty: "its request begins with an empty line, after which more than one request would be read",
  pipelined: "it sent more than one request; only the first one is answered",
} as const;
export type AdminCloseReason = keyof typeof ADMIN_CLOSE_REASONS;

const HEAD_END = "\r\n\r\n";
const CR = 0x0d;
const LF = 0x0a;

export class AdminConnections {
  readonly #onRequest: (socket: Socket) => void;
  readonly #onClosed: (reason: AdminCloseReason) => void;
  readonly #limits: AdminLimits;
  /** In order of arrival; true if the request head is complete. */
  readonly #open = new Map<Socket, boolean>();
  /** In order of arrival. */
  readonly #waiting = new Set<Socket>();
  readonly #timers = new WeakMap<Socket, NodeJS.Timeout>();
  #later: NodeJS.Timeout | undefined;

  /**
   * @param onRequest receives a socket from which exactly one request head can be read
   * @param onClosed called when a connection exceeds a limit
   */
  constructor(
    onRequest: (socket: Socket) => void,
    onClosed: (reason: AdminCloseReason) => void,
    limits = ADMIN_LIMITS,
  ) {
    this.#onRequest = onRequest;
    this.#onClosed = onClosed;
    this.#limits = limits;
  }

  /** @param socket a paused socket */
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
    this.#later ??= setTimeout(() => this.#serveNext(), this.#limits.replaceMs);
  }

  closeAll(): void {
    clearTimeout(this.#later);
    for (const socket of this.#waiting) socket.destroy();
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /** Node's parser would parse every pipelined request and allocate objects for it, so it receives only the first head. */
  #readHead(socket: Socket): void {
    let head = Buffer.alloc(0);
    const more = (chunk: Buffer) => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(HEAD_END);
      // Node's parser skips empty lines, and would parse the data after this head as the first request.
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

  #serveNext(): void {
    const newest = [...this.#waiting].at(-1);
    this.#later = undefined;
    if (newest === undefined) return;
    this.#waiting.delete(newest);
    if (this.#open.size >= this.#limits.connections) this.#replace();
    this.#serve(newest);
    if (this.#waiting.size > 0) this.#later = setTimeout(() => this.#serveNext(), this.#limits.replaceMs);
  }

  #serve(socket: Socket): void {
    this.#open.set(socket, false);
    this.prolong(socket, this.#limits.lifetimeMs);
    socket.once("close", () => {
      clearTimeout(this.#timers.get(socket));
      this.#open.delete(socket);
    });
    this.#readHead(socket);
  }

  /** Replaces what is left of a connection's life, for a request whose answer takes longer. */
  prolong(socket: Socket, ms: number): void {
    clearTimeout(this.#timers.get(socket));
    this.#timers.set(
      socket,
      setTimeout(() => this.#close(socket, "late"), ms),
    );
  }

  #replace(): void {
    const [oldest] = this.#open.keys();
    const silent = [...this.#open].find(([, hasRequest]) => !hasRequest)?.[0];
    const victim = silent ?? oldest;
    if (victim !== undefined) this.#close(victim, "replaced");
  }

  #close(socket: Socket, reason: AdminCloseReason): void {
    if (!this.#open.delete(socket)) return;
    socket.destroy();
    this.#onClosed(reason);
  }
}
