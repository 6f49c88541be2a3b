/**
 * The connections that are served, and which one is closed when a limit is passed. When a new one needs a place, these are tried in turn:
 *
 * 1. while more than `LIMITS.unanswered` connections have had no answer yet: the oldest of those;
 * 2. a connection that has been idle for longer than an API server ever is: the one idle for longest;
 * 3. the connections after the first `LIMITS.kept` that were answered: one without a call in the host before one with a call, the one that
 *    was answered first before the others.
 *
 * So a client that was there before a flood keeps its connection, and a new client gets a place, an answer, and the time for a call, even
 * when the flood calls as API servers do and holds every place.
 */
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { Connection, type Totals } from "./connection.ts";
import { type CloseReason, LIMITS, TURNS } from "./limits.ts";

// How often connections are looked at: what is not counted frame by frame can go on for so long.
const CHECK_MS = 100;

export interface GuardSample {
  readonly connections: number;
  readonly requests: number;
  readonly arrivingBytes: number;
}

export type OnClosed = (reason: CloseReason, connections: number, why: string) => void;

export class Guard {
  readonly #onClosed: OnClosed;
  readonly #totals: Totals = { streams: 0, arrivingBytes: 0 };
  /** In the order in which they came. */
  readonly #connections = new Set<Connection>();
  /** Those that had an answer, in the order of their first one. */
  readonly #answered = new Set<Connection>();
  readonly #timer: NodeJS.Timeout;
  readonly #bySession = new WeakMap<ServerHttp2Session, Connection>();
  /** In the order in which they came. */
  readonly #waiting = new Map<Socket, () => void>();
  #accepting: Connection | undefined;
  #turns: number = TURNS.burst;
  #turnsAt = performance.now();
  #later: NodeJS.Timeout | undefined;

  constructor(onClosed: OnClosed) {
    this.#onClosed = onClosed;
    this.#timer = setInterval(() => this.#check(), CHECK_MS).unref();
  }

  sample(): GuardSample {
    const { streams, arrivingBytes } = this.#totals;
    return { connections: this.#connections.size, requests: streams, arrivingBytes };
  }

  /**
   * @param socket a paused one
   * @param inject has an HTTP/2 session made of it, which is given to `session` before it returns
   */
  accept(socket: Socket, inject: () => void): void {
    if (this.#waiting.size >= LIMITS.waiting) this.#refuseOldest();
    this.#waiting.set(socket, inject);
    socket.on("error", () => {});
    socket.once("close", () => this.#waiting.delete(socket));
    this.#takeUp();
  }

  session(session: ServerHttp2Session): void {
    if (this.#accepting === undefined) return;
    this.#bySession.set(session, this.#accepting);
    this.#accepting.watch(session);
  }

  /** @returns whether it is to be answered */
  stream(stream: ServerHttp2Stream, flags: number): boolean {
    // A session's failure is each of its streams', and would end the host where nobody hears of it.
    stream.on("error", () => {});
    // Absent: it ended with what was read together with the stream's headers.
    const { session } = stream;
    const connection = session && this.#bySession.get(session as ServerHttp2Session);
    return connection?.open(stream, flags) ?? false;
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#later);
    for (const { socket } of this.#connections) socket.destroy();
    for (const socket of this.#waiting.keys()) socket.destroy();
  }

  #takeUp(): void {
    const now = performance.now();
    const more = Math.floor((now - this.#turnsAt) / TURNS.everyMs);
    this.#turnsAt += more * TURNS.everyMs;
    this.#turns = Math.min(TURNS.burst, this.#turns + more);
    while (this.#turns > 0) {
      const newest = [...this.#waiting].at(-1);
      if (newest === undefined) return;
      this.#turns -= 1;
      this.#waiting.delete(newest[0]);
      this.#serve(...newest);
    }
    if (this.#waiting.size > 0) this.#later ??= setTimeout(() => this.#again(), TURNS.everyMs);
  }

  #again(): void {
    this.#later = undefined;
    this.#takeUp();
  }

  #serve(socket: Socket, inject: () => void): void {
    // Its end is told later.
    if (socket.destroyed) return;
    if (this.#connections.size >= LIMITS.connections) this.#close(this.#leastUsed(), "replaced");
    const connection: Connection = new Connection(socket, this.#totals, {
      onGrown: () => this.#bound(),
      onAnswered: () => this.#answered.add(connection),
      onBroken: (reason, why) => this.#close(connection, reason, why),
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
    this.#onClosed("waiting", this.#connections.size, "");
  }

  #check(): void {
    const now = performance.now();
    for (const connection of this.#connections) {
      const reason = connection.check(now);
      if (reason !== undefined) this.#close(connection, reason);
    }
  }

  #bound(): void {
    const { streams, arrivingBytes } = this.#totals;
    if (streams > LIMITS.streams) this.#close(this.#greediest(), "streams");
    if (arrivingBytes > LIMITS.arrivingBytes) this.#close(this.#unfinished(), "bytes");
  }

  #close(connection: Connection | undefined, reason: CloseReason, why = ""): void {
    if (connection === undefined || connection.isTold) return;
    connection.isTold = true;
    this.#forget(connection);
    connection.destroy();
    if (reason !== "replaced" && reason !== "silent")
      this.#turns = Math.max(-TURNS.debt, this.#turns - TURNS.perMisuse);
    this.#onClosed(reason, this.#connections.size, why);
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    this.#answered.delete(connection);
  }

  /** An API server's request is there in one piece: what waits for an end is a flood's, above all what waits for long. */
  #unfinished(): Connection | undefined {
    return least(this.#connections, ({ unfinishedSince }) => {
      return unfinishedSince === undefined ? NEVER : [0, unfinishedSince];
    });
  }

  /**
   * Among the connections that have at least half of the average number of requests: first the one that has left the most answers unread,
   * then the one that has kept the host waiting for the end of a request for longest, then one that was never answered (the one with the
   * most requests), then the one whose first answer is the most recent. This runs when a request was opened: its end can be on its way.
   */
  #greediest(): Connection | undefined {
    const few = this.#totals.streams / this.#connections.size / 2;
    const late = performance.now() - CHECK_MS;
    return least(this.#connections, ({ requests, untaken, unfinishedSince, provenAt, since }) => {
      if (requests < few) return NEVER;
      if (untaken > 0) return [0, -untaken, -since];
      if (unfinishedSince !== undefined && unfinishedSince < late) return [1, unfinishedSince, -since];
      return provenAt === undefined ? [2, -requests, -since] : [3, -provenAt];
    });
  }

  #leastUsed(): Connection | undefined {
    const silent = this.#connections.size - this.#answered.size;
    if (silent > LIMITS.unanswered) return this.#oldestSilent();
    const idle = performance.now() - LIMITS.idleMs;
    const newcomers = new Set([...this.#answered].slice(LIMITS.kept));
    return least(this.#answered, (connection) => {
      const { answeredAt = 0, provenAt = 0, working } = connection;
      if (answeredAt < idle) return [0, answeredAt];
      return newcomers.has(connection) ? [working > 0 ? 2 : 1, provenAt] : NEVER;
    });
  }

  #oldestSilent(): Connection | undefined {
    return [...this.#connections].find(({ answeredAt }) => answeredAt === undefined);
  }
}

type Rank = readonly [tier: number, order: number, tie?: number];
const NEVER: Rank = [Number.POSITIVE_INFINITY, 0];

/** The one of the lowest rank; none whose rank is NEVER. */
function least<T>(all: Iterable<T>, rank: (one: T) => Rank): T | undefined {
  let found: T | undefined;
  let lowest = NEVER;
  for (const one of all) {
    const its = rank(one);
    if (!isLower(its, lowest)) continue;
    lowest = its;
    found = one;
  }
  return found;
}

function isLower([tier, order, tie = 0]: Rank, [lowTier, lowOrder, lowTie = 0]: Rank): boolean {
  if (tier !== lowTier) return tier < lowTier;
  return order === lowOrder ? tie < lowTie : order < lowOrder;
}
