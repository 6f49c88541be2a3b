/** One caller's connection: its open requests, its remaining allowance, and the times of its replies. */
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { ALLOWANCE, type CloseReason, LIMITS } from "./limits.ts";

interface OpenRequest {
  readonly since: number;
  /** Bytes of the request that have arrived. */
  bytes: number;
  /** The request is complete. */
  ended: boolean;
  /** When a check first found that the reply was sent. */
  sentAt?: number;
}

/** Totals over all connections. */
export interface Totals {
  streams: number;
  arrivingBytes: number;
}

export interface ConnectionEvents {
  /** Called when the totals grow. */
  onGrown(): void;
  /** Called when the first request got its reply. */
  onFirstReply(): void;
  /** Called when a frame exceeds a limit or violates HTTP/2. */
  onViolation(reason: CloseReason, why: string): void;
  /** Called when HTTP/2 itself reset a request, which the host never saw. */
  onUnseenRequest(): void;
}

const SETTINGS_AFTER_REPLY = { maxConcurrentStreams: LIMITS.streamsPerConnection };

export class Connection {
  readonly socket: Socket;
  readonly since = performance.now();
  /** When the last reply was read; undefined before the first one. */
  lastReplyAt: number | undefined;
  /** When the first reply was read; undefined before that. */
  firstReplyAt: number | undefined;
  /** The guard is closing it. */
  isClosing = false;
  readonly #totals: Totals;
  readonly #events: ConnectionEvents;
  readonly #open = new Map<ServerHttp2Stream, OpenRequest>();
  #session: ServerHttp2Session | undefined;
  #sentPreface = false;
  /** The highest stream that reached the host, and a higher one that HTTP/2 had begun at the last check; 0 if there is none. */
  #seenStream = 0;
  #unseenStream = 0;
  #allowance: number = ALLOWANCE.initial;
  #creditedAt = this.since;
  #checkedAt = this.since;
  /** Bytes read that need no further charge: those of request messages, and those charged before. */
  #charged = 0;

  constructor(socket: Socket, totals: Totals, events: ConnectionEvents) {
    this.socket = socket;
    this.#totals = totals;
    this.#events = events;
  }

  /** Requests without a reply, or with an unread one. */
  get requests(): number {
    return this.#open.size;
  }

  /** Complete requests without a reply. */
  get callsInProgress(): number {
    let count = 0;
    for (const [{ headersSent }, { ended }] of this.#open) if (ended && !headersSent) count += 1;
    return count;
  }

  /** Replies that were sent before the last check and are still unread. An honest client reads them at once. */
  get unreadReplies(): number {
    let count = 0;
    for (const { sentAt } of this.#open.values())
      if (sentAt !== undefined && sentAt < this.#checkedAt) count += 1;
    return count;
  }

  /** When the oldest unfinished request began, in milliseconds of performance.now(); undefined if there is none. */
  get unfinishedSince(): number | undefined {
    for (const { since, ended } of this.#open.values()) if (!ended) return since;
    return undefined;
  }

  watch(session: ServerHttp2Session): void {
    this.#session = session;
    session.on("ping", () => this.#pay(ALLOWANCE.ping, "pings"));
    session.on("remoteSettings", () => {
      this.#sentPreface = true;
      this.#pay(ALLOWANCE.settings, "settings");
    });
    session.on("goaway", () => this.#checkUnseen(true));
    session.on("error", ({ code = "", message }: NodeJS.ErrnoException) => {
      if (code.startsWith("ERR_HTTP2_")) this.#events.onViolation("protocol", message);
    });
  }

  /** Charges the bytes read since the last check. Returns the limit that is exceeded; undefined if there is none. */
  check(now: number): CloseReason | undefined {
    this.#allowance += ((now - this.#creditedAt) / 1000) * ALLOWANCE.perSecond;
    this.#creditedAt = now;
    const uncharged = this.socket.bytesRead - this.#charged;
    this.#charged += uncharged;
    this.#allowance = Math.min(ALLOWANCE.burst, this.#allowance) - uncharged;
    if (this.#allowance < 0) return "waste";
    if (!this.#sentPreface && now - this.since > LIMITS.prefaceMs) return "silent";
    this.#checkedAt = now;
    this.#checkUnseen();
    for (const [{ headersSent }, request] of this.#open) {
      const { since, ended } = request;
      if (now - since > LIMITS.streamMs) return "unread";
      if (!ended && now - since > LIMITS.requestMs) return "unfinished";
      if (ended && headersSent) request.sentAt ??= now;
    }
    return undefined;
  }

  /**
   * Node reports no event for a request that it resets. The one sign of it is a stream that was begun and never arrives: not until the next
   * check, or until the caller leaves.
   */
  #checkUnseen(isLeaving = false): void {
    // Undefined once the session has ended.
    const { lastProcStreamID: begun = 0 } = this.#session?.state ?? {};
    const unseen = isLeaving ? begun : this.#unseenStream;
    this.#unseenStream = begun > this.#seenStream ? begun : 0;
    if (unseen <= this.#seenStream) return;
    this.#seenStream = unseen;
    this.#events.onUnseenRequest();
  }

  destroy(): void {
    for (const request of this.#open.values()) this.#forget(request);
    this.#open.clear();
    this.#session?.destroy();
    // A session would wait until its data is sent; the socket is closed now.
    this.socket.destroy();
  }

  /** @returns true if the request is to be answered */
  open(stream: ServerHttp2Stream, flags: number): boolean {
    this.#seenStream = Math.max(this.#seenStream, stream.id ?? 0);
    // Frames of the same read still arrive after the connection was closed.
    if (this.socket.destroyed || !this.#pay(ALLOWANCE.request, "resets")) {
      stream.destroy();
      return false;
    }
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const request: OpenRequest = { since: performance.now(), bytes: 0, ended };
    this.#open.set(stream, request);
    this.#totals.streams += 1;
    stream.on("data", ({ length }: Buffer) => {
      this.#charged += length;
      if (request.ended || !this.#open.has(stream)) return;
      request.bytes += length;
      this.#totals.arrivingBytes += length;
      this.#events.onGrown();
    });
    stream.once("end", () => this.#arrived(request));
    stream.once("close", () => this.#closed(stream, request));
    this.#events.onGrown();
    return !this.socket.destroyed;
  }

  #arrived(request: OpenRequest): void {
    request.ended = true;
    this.#totals.arrivingBytes -= request.bytes;
    request.bytes = 0;
  }

  #closed(stream: ServerHttp2Stream, request: OpenRequest): void {
    if (!this.#open.delete(stream)) return;
    const isAnswered = request.ended && stream.headersSent && stream.rstCode === constants.NGHTTP2_NO_ERROR;
    this.#forget(request);
    if (!isAnswered) return;
    this.lastReplyAt = performance.now();
    if (this.firstReplyAt === undefined) this.#markFirstReply(this.lastReplyAt);
    this.#allowance += ALLOWANCE.request + ALLOWANCE.answer;
  }

  #markFirstReply(now: number): void {
    this.firstReplyAt = now;
    this.#events.onFirstReply();
    this.#allowance = Math.max(this.#allowance, ALLOWANCE.proven);
    if (this.#session?.destroyed === false) this.#session.settings(SETTINGS_AFTER_REPLY);
  }

  #forget(request: OpenRequest): void {
    this.#arrived(request);
    this.#totals.streams -= 1;
  }

  /** @returns true if the allowance was sufficient */
  #pay(price: number, reason: CloseReason): boolean {
    this.#allowance -= price;
    if (this.#allowance >= 0) return true;
    this.#events.onViolation(reason, "");
    return false;
  }
}
