/**
 * Holds the connections that are served, and chooses which one to close when a limit is exceeded. A new connection replaces, in this order:
 *
 * 1. while more than `LIMITS.unanswered` connections have had no reply yet: the oldest of those;
 * 2. a connection that has been idle for longer than an API server ever is: the one that has been idle the longest;
 * 3. a connection after the first `LIMITS.kept` that got a reply: one without a call in progress before one with a call, and among these
 *    the one that got its first reply earliest.
 *
 * So a client that was connected before a flood keeps its connection, and a new client gets a place, a reply, and the time for a call, even
 * when the flood calls like API servers and fills every place.
 */
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { Connection, type Totals } from "./connection.ts";
import { ACCEPT_RATE, type CloseReason, LIMITS } from "./limits.ts";

// The interval of checks: misuse that is not counted frame by frame is detected after this time.
const CHECK_MS = 100;

export interface GuardSample {
  readonly connections: number;
  readonly requests: number;
  readonly arrivingBytes: number;
}

export interface GuardEvents {
  /** A limit closed a connection. @param why Node's error message; empty if there is none */
  readonly onClosed: (reason: CloseReason, connections: number, why: string) => void;
  /** HTTP/2 reset a request of a caller before the host saw it. At most one in CHECK_MS is reported for a connection. */
  readonly onUnseenRequest: () => void;
}

export class Guard {
  readonly #events: GuardEvents;
  readonly #totals: Totals = { streams: 0, arrivingBytes: 0 };
  /** In order of arrival. */
  readonly #connections = new Set<Connection>();
  /** The connections that got a reply, in the order of their first reply. */
  readonly #answered = new Set<Connection>();
  readonly #timer: NodeJS.Timeout;
  readonly #bySession = new WeakMap<ServerHttp2Session, Connection>();
  /** Connections that are not served yet, in order of arrival. */
  readonly #waiting = new Map<Socket, () => void>();
  #accepting: Connection | undefined;
  #slots: number = ACCEPT_RATE.burst;
  #slotsAt = performance.now();
  #serveTimer: NodeJS.Timeout | undefined;

  constructor(events: GuardEvents) {
    this.#events = events;
    this.#timer = setInterval(() => this.#check(), CHECK_MS).unref();
  }

  sample(): GuardSample {
    const { streams, arrivingBytes } = this.#totals;
    return { connections: this.#connections.size, requests: streams, arrivingBytes };
  }

  /**
   * Accepts a connection; it is served when the rate and the limits allow it.
   * @param socket a paused socket
   * @param inject creates the HTTP/2 session of the socket, and calls `session` with it before it returns
   */
  accept(socket: Socket, inject: () => void): void {
    if (this.#waiting.size >= LIMITS.waiting) this.#refuseOldest();
    this.#waiting.set(socket, inject);
    socket.on("error", () => {});
    socket.once("close", () => this.#waiting.delete(socket));
    this.#serveWaiting();
  }

  /** Assigns a new session to the connection that is being injected. */
  session(session: ServerHttp2Session): void {
    if (this.#accepting === undefined) return;
    this.#bySession.set(session, this.#accepting);
    this.#accepting.watch(session);
  }

  /** @returns true if the request is to be answered */
  stream(stream: ServerHttp2Stream, flags: number): boolean {
    // A failed session emits an error on each stream; an error without a listener would end the host.
    stream.on("error", () => {});
    // Absent if the session ended in the same read as the headers of the stream.
    const { session } = stream;
    const connection = session && this.#bySession.get(session as ServerHttp2Session);
    return connection?.open(stream, flags) ?? false;
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#serveTimer);
    for (const { socket } of this.#connections) socket.destroy();
    for (const socket of this.#waiting.keys()) socket.destroy();
  }

  #serveWaiting(): void {
    const now = performance.now();
    const more = Math.floor((now - this.#slotsAt) / ACCEPT_RATE.everyMs);
    this.#slotsAt += more * ACCEPT_RATE.everyMs;
    this.#slots = Math.min(ACCEPT_RATE.burst, this.#slots + more);
    while (this.#slots > 0) {
      const newest = [...this.#waiting].at(-1);
      if (newest === undefined) return;
      this.#slots -= 1;
      this.#waiting.delete(newest[0]);
      this.#serve(...newest);
    }
    if (this.#waiting.size > 0)
      this.#serveTimer ??= setTimeout(() => this.#onServeTimer(), ACCEPT_RATE.everyMs);
  }

  #onServeTimer(): void {
    this.#serveTimer = undefined;
    this.#serveWaiting();
  }

  #serve(socket: Socket, inject: () => void): void {
    // Its close event follows.
    if (socket.destroyed) return;
    if (this.#connections.size >= LIMITS.connections) this.#close(this.#leastUsed(), "replaced");
    const connection: Connection = new Connection(socket, this.#totals, {
      onGrown: () => this.#enforceTotals(),
      onFirstReply: () => this.#answered.add(connection),
      onViolation: (reason, why) => this.#close(connection, reason, why),
      onUnseenRequest: this.#events.onUnseenRequest,
    });
    this.#connections.add(connection);
    socket.once("close", () => this.#forget(connection));
    this.#accepting = connection;
    inject();
    this.#accepting = undefined;
    socket.resume();
  }

  #refuseOldest(): void {
    const [socket] = this.#waiting.keys();
    if (socket === undefined) return;
    this.#waiting.delete(socket);
    socket.destroy();
    this.#events.onClosed("waiting", this.#connections.size, "");
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#connections) {
      const reason = connection.check(now);
      if (reason !== undefined) this.#close(connection, reason);
    }
  }

  #enforceTotals(): void {
    const { streams, arrivingBytes } = this.#totals;
    if (streams > LIMITS.streams) this.#close(this.#greediest(), "streams");
    if (arrivingBytes > LIMITS.arrivingBytes) this.#close(this.#oldestUnfinished(), "bytes");
  }

  #close(connection: Connection | undefined, reason: CloseReason, why = ""): void {
    if (connection === undefined || connection.isClosing) return;
    connection.isClosing = true;
    this.#forget(connection);
    connection.destroy();
    if (reason !== "replaced" && reason !== "silent")
      this.#slots = Math.max(-ACCEPT_RATE.debt, this.#slots - ACCEPT_RATE.perMisuse);
    this.#events.onClosed(reason, this.#connections.size, why);
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    this.#answered.delete(connection);
  }

  /** Returns the connection with the oldest unfinished request: requests of an API server arrive complete. */
  #oldestUnfinished(): Connection | undefined {
    return least(this.#connections, ({ unfinishedSince }) => {
      return unfinishedSince === undefined ? NEVER : [0, unfinishedSince];
    });
  }

  /**
   * Chooses among the connections with at least half of the average number of requests: first the one with the most unread replies, then the
   * one with the oldest unfinished request, then one that never got a reply (the one with the most requests), then the one with the most
   * recent first reply. This runs when a request is opened, so its end may still be in transit.
   */
  #greediest(): Connection | undefined {
    const minimum = this.#totals.streams / this.#connections.size / 2;
    const overdue = performance.now() - CHECK_MS;
    return least(this.#connections, ({ requests, unreadReplies, unfinishedSince, firstReplyAt, since }) => {
      if (requests < minimum) return NEVER;
      if (unreadReplies > 0) return [0, -unreadReplies, -since];
      if (unfinishedSince !== undefined && unfinishedSince < overdue) return [1, unfinishedSince, -since];
      return firstReplyAt === undefined ? [2, -requests, -since] : [3, -firstReplyAt];
    });
  }

  #leastUsed(): Connection | undefined {
    const unanswered = this.#connections.size - this.#answered.size;
    if (unanswered > LIMITS.unanswered) return this.#oldestUnanswered();
    const idleSince = performance.now() - LIMITS.idleMs;
    const newcomers = new Set([...this.#answered].slice(LIMITS.kept));
    return least(this.#answered, (connection) => {
      const { lastReplyAt = 0, firstReplyAt = 0, callsInProgress } = connection;
      if (lastReplyAt < idleSince) return [0, lastReplyAt];
      return newcomers.has(connection) ? [callsInProgress > 0 ? 2 : 1, firstReplyAt] : NEVER;
    });
  }

  #oldestUnanswered(): Connection | undefined {
    return [...this.#connections].find(({ lastReplyAt }) => lastReplyAt === undefined);
  }
}

type Rank = readonly [tier: number, order: number, tie?: number];
const NEVER: Rank = [Number.POSITIVE_INFINITY, 0];

/** Returns the element with the lowest rank, and none with the rank NEVER. */
function least<T>(all: Iterable<T>, rank: (one: T) => Rank): T | undefined {
  let found: T | undefined;
  let lowest = NEVER;
  for (const one of all) {
    const current = rank(one);
    if (!isLower(current, lowest)) continue;
    lowest = current;
    found = one;
  }
  return found;
}

function isLower([tier, order, tie = 0]: Rank, [lowTier, lowOrder, lowTie = 0]: Rank): boolean {
  if (tier !== lowTier) return tier < lowTier;
  return order === lowOrder ? tie < lowTie : order < lowOrder;
}
