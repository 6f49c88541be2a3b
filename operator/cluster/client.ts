/** Sends requests to one API server over HTTPS. It polls and uses no informers: a request that hangs times out, and the next reconcile sends another. */
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";

export interface Target {
  /** https://HOST:PORT */
  readonly server: string;
  /** Read before each request: the kubelet renews it. */
  readonly token: () => string;
  /** Trusted certificates, in PEM. */
  readonly ca: string;
  /** The name in the server's certificate, if it is not the host of `server`. */
  readonly serverName?: string | undefined;
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly type?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 64 << 20;
const MAX_LINE = 64 << 10;
const MAX_MESSAGE = 500;
export const MERGE_PATCH = "application/merge-patch+json";
export const APPLY_PATCH = "application/apply-patch+yaml";

/** A failed request: an error status of the API server, or no answer (code 0). */
export class ApiError extends Error {
  readonly code: number;
  /** The API server's message, or the failure of the connection. */
  readonly reason: string;
  readonly retryAfterMs: number;
  /** With 410: the token to continue the list with. */
  readonly continueAt: string | undefined;

  constructor(
    action: string,
    code: number,
    reason: string,
    { retryAfterMs = 0, continueAt }: { retryAfterMs?: number; continueAt?: string | undefined } = {},
  ) {
    super(`Cannot ${action}: ${code === 0 ? reason : `${code} ${reason}`}`);
    this.code = code;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.continueAt = continueAt;
  }
}

export class Client {
  readonly #target: Target;
  readonly #agent: Agent;
  /** Number of requests sent so far. */
  requests = 0;

  constructor(target: Target) {
    this.#target = target;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 16, ca: target.ca });
  }

  /** @returns a client that authenticates with another token */
  as(token: () => string): Client {
    return new Client({ ...this.#target, token });
  }

  /**
   * @returns the parsed body
   * @throws ApiError
   */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const action = `${method.toLowerCase()} ${path.replace(/\?.*$/, "")}`;
    const chunks: Buffer[] = [];
    const answer = await this.#send(action, method, path, options, (chunk) => chunks.push(chunk));
    const text = Buffer.concat(chunks).toString("utf8");
    const { statusCode: code = 0 } = answer;
    if (code >= 200 && code < 300) return JSON.parse(text) as T;
    const seconds = Number(answer.headers["retry-after"] ?? 0);
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
    throw new ApiError(action, code, reasonIn(text), { retryAfterMs, continueAt: continueIn(text) });
  }

  /**
   * Calls `onLine` with each line that begins with one of the prefixes. The text may be long: other lines never become strings.
   * @throws ApiError
   */
  async lines(path: string, prefixes: readonly string[], onLine: (line: string) => void): Promise<void> {
    const action = `get ${path}`;
    const wanted = prefixes.map((prefix) => Buffer.from(prefix));
    let rest: Buffer = Buffer.alloc(0);
    const answer = await this.#send(action, "GET", path, { accept: "text/plain" }, (chunk, stop) => {
      const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, at)) {
        const line = data.subarray(at, end);
        if (wanted.some((prefix) => prefix.equals(line.subarray(0, prefix.length)))) onLine(line.toString());
        at = end + 1;
      }
      rest = data.subarray(at);
      if (rest.length > MAX_LINE) stop(new Error(`a line of the answer is longer than ${MAX_LINE} bytes`));
    });
    if (answer.statusCode !== 200) throw new ApiError(action, answer.statusCode ?? 0, "no metrics");
  }

  close(): void {
    this.#agent.destroy();
  }

  #send(
    action: string,
    method: string,
    path: string,
    { body, type = "application/json", accept = "application/json", signal }: RequestOptions,
    onData: (chunk: Buffer, stop: (error: Error) => void) => unknown,
  ): Promise<IncomingMessage> {
    this.requests += 1;
    const { server, token, serverName } = this.#target;
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(new ApiError(action, 0, error.message));
      const outgoing = request(
        new URL(path, server),
        {
          method,
          agent: this.#agent,
          ...(serverName === undefined ? {} : { servername: serverName }),
          ...(signal === undefined ? {} : { signal }),
          headers: {
            accept,
            authorization: `Bearer ${token()}`,
            "user-agent": "kleidi-operator",
            ...(payload && { "content-type": type, "content-length": payload.length }),
          },
        },
        (answer) => {
          let size = 0;
          answer.on("data", (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_BYTES) stop(new Error(`the answer is longer than ${MAX_BYTES} bytes`));
            onData(chunk, stop);
          });
          answer.on("end", () => resolve(answer));
          answer.on("error", failed);
        },
      );
      const stop = (error: Error) => void outgoing.destroy(error);
      // The time limit covers the whole answer: a server that sends one byte at a time would otherwise block a report forever.
      const timer = setTimeout(() => stop(new Error(`no answer in ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
      outgoing.once("close", () => clearTimeout(timer));
      outgoing.on("error", failed);
      outgoing.end(payload);
    });
  }
}

/** The message of a Status of the API server, cut. */
function reasonIn(text: string): string {
  return String(statusIn(text).message ?? text).slice(0, MAX_MESSAGE);
}

function continueIn(text: string): string | undefined {
  return statusIn(text).metadata?.continue;
}

function statusIn(text: string): { message?: unknown; metadata?: { continue?: string } } {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** @returns a function that reads the token from the file at each call */
export function tokenFile(path: string): () => string {
  return () => readFileSync(path, "utf8").trim();
}
