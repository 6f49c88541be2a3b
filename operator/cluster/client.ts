/** Sends requests to one API server over HTTPS. It polls and uses no informers: a request that hangs times out, and the next reconcile sends another. */
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import {
  ApiError,
  type ApiRequests,
  actionOf,
  errorOf,
  type RequestOptions,
} from "../../host/migration/api.ts";

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

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 64 << 20;
const MAX_LINE = 64 << 10;
export const APPLY_PATCH = "application/apply-patch+yaml";

export class Client implements ApiRequests {
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
    const action = actionOf(method, path);
    const chunks: Buffer[] = [];
    const answer = await this.#send(action, method, path, options, (chunk) => chunks.push(chunk));
    const text = Buffer.concat(chunks).toString("utf8");
    const { statusCode: code = 0 } = answer;
    if (code >= 200 && code < 300) return JSON.parse(text) as T;
    throw errorOf(action, code, text, answer.headers["retry-after"]);
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

/** @returns a function that reads the token from the file at each call */
export function tokenFile(path: string): () => string {
  return () => readFileSync(path, "utf8").trim();
}
