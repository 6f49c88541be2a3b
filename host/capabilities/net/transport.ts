/**
 * Sends requests to one origin over a few kept connections: HTTP/1.1, without redirects and decompression, with limits on everything.
 */
import { Duplex } from "node:stream";
import { Pool } from "undici";
import { BrokenOff, sendCollected } from "./collect.ts";
import { Dialer, type Target } from "./dial.ts";
import { type Connect, type Request, type Response, type Send, Unreachable } from "./exchange.ts";
import { codeOf, connectionFault, connectionStep } from "./faults.ts";
import type { Resolve } from "./resolver.ts";

export interface TransportOptions extends Target {
  readonly responseBytes: number;
  readonly timeoutMs: number;
  readonly connections: number;
  /**
   * Sends each request once, on a connection of its own: for requests that must not be repeated, as a login that uses up its secret.
   * Otherwise connections are kept, and a request on a closed one is sent again.
   */
  readonly once?: boolean;
}

export interface Transport {
  readonly send: Send;
  close(): Promise<void>;
}

const KEEP_ALIVE_MS = 10_000;
/** The maximum age of a connection, so that a changed name takes effect. */
const MAX_AGE_MS = 60_000;
const MAX_HEADERS = 16 * 1024;
/** The longest header value that a guest gets, in UTF-16 units. */
const MAX_VALUE = 1024;

export function createTransport(options: TransportOptions, resolve?: Resolve): Transport {
  const dialer = new Dialer(options, resolve);
  const { where } = dialer;
  const dialling = new Set<AbortController>();
  const pool = new Pool(options.origin, {
    connections: options.connections,
    // 0: none is kept.
    pipelining: options.once === true ? 0 : 1,
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    clientTtl: MAX_AGE_MS,
    headersTimeout: options.timeoutMs,
    bodyTimeout: options.timeoutMs,
    maxHeaderSize: MAX_HEADERS,
    connect: (_, callback) => {
      const over = new AbortController();
      dialling.add(over);
      dialer
        .dial(options.timeoutMs, over.signal)
        .finally(() => dialling.delete(over))
        .then(
          (socket) => callback(null, socket),
          (error) => callback(error, null),
        );
      // The Pool destroys this stand-in when no request waits for the connection any more; the socket does not exist yet.
      return new Duplex({
        destroy(_, done) {
          over.abort(new Unreachable("no request waits for the connection"));
          done(null);
        },
      });
    },
  });
  const send: Send = async (request, signal) => {
    try {
      return await sendOnce(request, signal);
    } catch (error) {
      // The server closed a kept connection before or while it read the request, and sent no answer. The ABI requires that guests send
      // only requests that are safe to repeat.
      if (!isConnectionLost(error) || options.once === true || signal.aborted) throw toUnreachable(error);
    }
    try {
      return await sendOnce(request, signal);
    } catch (error) {
      throw toUnreachable(error);
    }
  };
  return {
    send,
    close: () => {
      for (const over of dialling) over.abort(new Unreachable("the host is shutting down"));
      return pool.destroy();
    },
  };

  async function sendOnce({ method, path, headers, body }: Request, signal: AbortSignal): Promise<Response> {
    const empty = method === "GET" || method === "HEAD" ? null : "";
    const answer = await sendCollected(
      pool,
      { method, path, headers, body: body.length > 0 ? body : empty },
      {
        where,
        responseBytes: options.responseBytes,
        faultOf: (status, given) => faultOf(method, status, given),
      },
      signal,
    );
    return { ...answer, headers: headersOf(answer.headers) };
  }

  function toUnreachable(error: unknown): Unreachable {
    if (error instanceof Unreachable) return error;
    const cause = error instanceof BrokenOff ? error.why : error;
    if (cause instanceof Unreachable) return cause;
    const code = codeOf(cause);
    const { name } = cause as Error;
    if (name === "TimeoutError" || name === "AbortError" || code.includes("TIMEOUT"))
      return new Unreachable(`${where} did not answer within ${options.timeoutMs} ms`, "time");
    if (code === "UND_ERR_HEADERS_OVERFLOW")
      return new Unreachable(`${where} sends more than ${MAX_HEADERS} bytes of headers`);
    if (isMalformed(cause)) return new Unreachable(`${where} sent a malformed or unsupported HTTP answer`);
    if (code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH")
      return new Unreachable(`${where} sent a body whose length differs from its content-length`);
    if (isConnectionLost(cause))
      return new Unreachable(
        error instanceof BrokenOff
          ? `${where} broke off its answer`
          : `${where} closed the connection before its answer`,
        "connection",
      );
    return new Unreachable(`${where} ${connectionFault(cause, dialer.expected)}`, connectionStep(cause));
  }
}

/** Connects to other servers than the origin with what its grant says of limits, networks and CA; the host's certificate is the origin's own. */
export function connectorOf(options: Omit<TransportOptions, "onEnds">, resolve?: Resolve): Connect {
  const { client: _, serverName: __, ...tls } = options.tls;
  return (origin, networks = options.networks) =>
    createTransport({ ...options, origin, networks, tls, connections: 1, once: true }, resolve);
}

function isConnectionLost(error: unknown): boolean {
  return ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeOf(error)) && !isMalformed(error);
}

/** True if the answer is not valid HTTP, or an unrequested 100 Continue or 101 Switching Protocols. */
function isMalformed(error: unknown): boolean {
  const { name, message } = error as Error;
  return name === "HTTPParserError" || (codeOf(error) === "UND_ERR_SOCKET" && message.startsWith("bad "));
}

/** Returns the fault of the head of an answer, as the end of a sentence. */
function faultOf(
  method: string,
  status: number,
  headers: Readonly<Record<string, unknown>>,
): string | undefined {
  if (status > 599) return `answers with the status ${status}`;
  if ((headers["content-encoding"] ?? "identity") !== "identity")
    return "sent a compressed answer, which was not requested";
  if (method !== "HEAD" && !isFramed(status, headers)) return "does not say where its answer ends";
  return undefined;
}

/** True if an answer marks its end. Otherwise anyone who can close the connection could truncate it unnoticed (RFC 9112, 8). */
function isFramed(status: number, headers: Readonly<Record<string, unknown>>): boolean {
  if (status === 204 || status === 304 || headers["content-length"] !== undefined) return true;
  return String(headers["transfer-encoding"]).toLowerCase() === "chunked";
}

function headersOf(all: Record<string, string | string[] | undefined>): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(all)) {
    const text = Array.isArray(value) ? value.join(", ") : (value ?? "");
    if (text.length <= MAX_VALUE) headers[name.toLowerCase()] = text;
  }
  return headers;
}
