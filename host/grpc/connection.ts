/** One caller's connection: what it has open, what it used up, and whether it ever was of use. */
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { ALLOWANCE, type CloseReason, LIMITS } from "./limits.ts";

interface OpenRequest {
  readonly since: number;
  /** Of the request as far as it is there. */
  bytes: number;
  ended: boolean;
  /** When a check first saw that its answer was sent. */
  sentAt?: number;
}

/** What all connections hold together. */
export interface Totals {
  streams: number;
  arrivingBytes: number;
}

export interface ConnectionEvents {
  /** Something was added to the totals. */
  onGrown(): void;
  /** Its first request was answered. */
  onAnswered(): void;
  onBroken(reason: CloseReason, why: string): void;
}

const PROVEN = { maxConcurrentStreams: LIMITS.streamsPerConnection };

export class Connection {
  readonly socket: Socket;
  readonly since = performance.now();
  /** When the last request was answered; undefined: none was. */
  answeredAt: number | undefined;
  /** When the first request was answered; undefined: none was. */
  provenAt: number | undefined;
  /** It was told why it is closed. */
  isTold = false;
  readonly #totals: Totals;
  readonly #events: ConnectionEvents;
  readonly #open = new Map<ServerHttp2Stream, OpenRequest>();
  #session: ServerHttp2Session | undefined;
  #spoke = false;
  #allowance: number = ALLOWANCE.initial;
  #paidAt = this.since;
  #checkedAt = this.since;
  /** Of the bytes that were read: those of requests' messages, and those that were charged already. */
  #accounted = 0;

  constructor(socket: Socket, totals: Totals, events: ConnectionEvents) {
    this.socket = socket;
    this.#totals = totals;
    this.#events = events;
  }

  /** Requests that are not answered, or whose answer was not taken. */
  get requests(): number {
    return this.#open.size;
  }

  /** Requests that are complete and that the host has not answered. */
  get working(): number {
    let count = 0;
    for (const [{ headersSent }, { ended }] of this.#open) if (ended && !headersSent) count += 1;
    return count;
  }

  /** Requests whose answer was sent before the last check or earlier, and not taken: an honest client takes it at once. */
  get untaken(): number {
    let count = 0;
    for (const { sentAt } of this.#open.values())
      if (sentAt !== undefined && sentAt < this.#checkedAt) count += 1;
    return count;
  }

  /** Since when, in milliseconds of performance.now(), the end of a request is waited for; undefined: of none. */
  get unfinishedSince(): number | undefined {
    for (const { since, ended } of this.#open.values()) if (!ended) return since;
    return undefined;
  }

  watch(session: ServerHttp2Session): void {
    this.#session = session;
    session.on("ping", () => this.#pay(ALLOWANCE.ping, "pings"));
    session.on("remoteSettings", () => {
      this.#spoke = true;
      this.#pay(ALLOWANCE.settings, "settings");
    });
    session.on("error", ({ code = "", message }: NodeJS.ErrnoException) => {
      if (code.startsWith("ERR_HTTP2_")) this.#events.onBroken("protocol", message);
    });
  }

  /** Charges what was read since the last time, and says which limit is passed. */
  check(now: number): CloseReason | undefined {
    this.#allowance += ((now - this.#paidAt) / 1000) * ALLOWANCE.perSecond;
    this.#paidAt = now;
    const unpaid = this.socket.bytesRead - this.#accounted;
    this.#accounted += unpaid;
    this.#allowance = Math.min(ALLOWANCE.burst, this.#allowance) - unpaid;
    if (this.#allowance < 0) return "waste";
    if (!this.#spoke && now - this.since > LIMITS.prefaceMs) return "silent";
    this.#checkedAt = now;
    for (const [{ headersSent }, request] of this.#open) {
      const { since, ended } = request;
      if (now - since > LIMITS.streamMs) return "unread";
      if (!ended && now - since > LIMITS.requestMs) return "unfinished";
      if (ended && headersSent) request.sentAt ??= now;
    }
    return undefined;
  }

  destroy(): void {
    for (const request of this.#open.values()) this.#forget(request);
    this.#open.clear();
    this.#session?.destroy();
    // A session waits for what it wants to send; this one has its end now.
    this.socket.destroy();
  }

  /** @returns whether it is to be answered */
  open(stream: ServerHttp2Stream, flags: number): boolean {
    // What was read with the frame for which it was closed comes nevertheless.
    if (this.socket.destroyed || !this.#pay(ALLOWANCE.request, "resets")) {
      stream.destroy();
      return false;
    }
    const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    const request: OpenRequest = { since: performance.now(), bytes: 0, ended };
    this.#open.set(stream, request);
    this.#totals.streams += 1;
    stream.on("data", ({ length }: Buffer) => {
      this.#accounted += length;
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
    const answered = request.ended && stream.headersSent && stream.rstCode === constants.NGHTTP2_NO_ERROR;
    this.#forget(request);
    if (!answered) return;
    this.answeredAt = performance.now();
    if (this.provenAt === undefined) this.#prove(this.answeredAt);
    this.#allowance += ALLOWANCE.request + ALLOWANCE.answer;
  }

  #prove(now: number): void {
    this.provenAt = now;
    this.#events.onAnswered();
    this.#allowance = Math.max(this.#allowance, ALLOWANCE.proven);
    if (this.#session?.destroyed === false) this.#session.settings(PROVEN);
  }

  #forget(request: OpenRequest): void {
    this.#arrived(request);
    this.#totals.streams -= 1;
  }

  /** @returns whether it could */
  #pay(price: number, reason: CloseReason): boolean {
    this.#allowance -= price;
    if (this.#allowance >= 0) return true;
    this.#events.onBroken(reason, "");
    return false;
  }
}
