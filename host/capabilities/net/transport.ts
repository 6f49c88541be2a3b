/**
 * Requests to one origin over a few connections that are kept: HTTP/1.1, nothing followed, nothing unpacked, everything bounded.
 */
import { Duplex } from "node:stream";
import { Pool } from "undici";
import { Dialer, type Target } from "./dial.ts";
import { type Request, type Response, type Send, Unreachable } from "./exchange.ts";
import { codeOf, whyNot } from "./faults.ts";
import type { Resolve } from "./resolver.ts";

export interface TransportOptions extends Target {
  readonly responseBytes: number;
  readonly timeoutMs: number;
  readonly connections: number;
  /**
   * Each request on a connection of its own, and sent once: for what must not be done twice, as a login that uses up its secret. Else
   * connections are kept, and a request that finds one closed is sent again.
   */
  readonly once?: boolean;
}

export interface Transport {
  readonly send: Send;
  close(): Promise<void>;
}

const KEPT_MS = 10_000;
/** A connection is not kept for longer, so that a name that leads elsewhere is followed. */
const AGE_MS = 60_000;
const MAX_HEADERS = 16 * 1024;
/** Of a header that a guest gets. */
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
    keepAliveTimeout: KEPT_MS,
    keepAliveMaxTimeout: KEPT_MS,
    clientTtl: AGE_MS,
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
      // For what this returns, the Pool destroys a connection that no request waits for any more. The socket is not there yet.
      return new Duplex({
        destroy(_, done) {
          over.abort(new Unreachable("nobody waits for the connection"));
          done(null);
        },
      });
    },
  });
  const send: Send = async (request, signal) => {
    try {
      return await sendOnce(request, signal);
    } catch (error) {
      // The server had closed a kept connection, or did so when it read the request; nothing of an answer came. The ABI has guests
      // ask only what is safe to ask twice.
      if (!isCut(error) || options.once === true || signal.aborted) throw explained(error);
    }
    try {
      return await sendOnce(request, signal);
    } catch (error) {
      throw explained(error);
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
    signal.throwIfAborted();
    const answer = await pool.request({
      method,
      path,
      headers,
      body: body.length > 0 ? body : method === "GET" || method === "HEAD" ? null : "",
      signal,
    });
    try {
      if (answer.statusCode > 599)
        throw new Unreachable(`${where} answers with the status ${answer.statusCode}`);
      const encoding = answer.headers["content-encoding"] ?? "identity";
      if (encoding !== "identity")
        throw new Unreachable(`${where} answers in a packed form, which was not asked for`);
      if (method !== "HEAD" && !isFramed(answer.statusCode, answer.headers))
        throw new Unreachable(`${where} does not say where its answer ends`);
      const bytes = await bounded(answer.body);
      return { status: answer.statusCode, headers: headersOf(answer.headers), body: bytes };
    } catch (error) {
      answer.body.on("error", () => {}).destroy();
      throw error instanceof Unreachable ? error : new Cut(error);
    }
  }

  async function bounded(body: AsyncIterable<Buffer>): Promise<Uint8Array> {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of body) {
      length += part.length;
      if (length > options.responseBytes)
        throw new Unreachable(`${where} answers with more than ${options.responseBytes} bytes`);
      parts.push(part);
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  }

  function explained(error: unknown): Unreachable {
    if (error instanceof Unreachable) return error;
    const cause = error instanceof Cut ? error.why : error;
    if (cause instanceof Unreachable) return cause;
    const code = codeOf(cause);
    const { name } = cause as Error;
    if (name === "TimeoutError" || name === "AbortError" || code.includes("TIMEOUT"))
      return new Unreachable(`${where} did not answer within ${options.timeoutMs} ms`);
    if (code === "UND_ERR_HEADERS_OVERFLOW")
      return new Unreachable(`${where} sends more than ${MAX_HEADERS} bytes of headers`);
    if (isOdd(cause))
      return new Unreachable(`${where} answers what is no HTTP, or none that can be used here`);
    if (code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH")
      return new Unreachable(`${where} answers with a body of another length than it says`);
    if (isCut(cause))
      return new Unreachable(
        error instanceof Cut
          ? `${where} broke off its answer`
          : `${where} closed the connection before its answer`,
      );
    return new Unreachable(`${where} ${whyNot(cause, dialer.expected)}`);
  }
}

/** An answer that broke off: the request was heard, so it is not sent again. */
class Cut extends Error {
  readonly why: unknown;

  constructor(why: unknown) {
    super("the answer broke off");
    this.why = why;
  }
}

function isCut(error: unknown): boolean {
  return ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeOf(error)) && !isOdd(error);
}

/** An answer did come, and it is no HTTP; or 100 Continue or 101 Switching Protocols, which nobody asked for. */
function isOdd(error: unknown): boolean {
  const { name, message } = error as Error;
  return name === "HTTPParserError" || (codeOf(error) === "UND_ERR_SOCKET" && message.startsWith("bad "));
}

/** Whether an answer says where it ends: else who can close the connection, TLS or not, can cut it short unseen (RFC 9112, 8). */
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
