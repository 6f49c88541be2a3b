/** Sends requests to one API server. By default over one connection, which a load balancer in between keeps on one server. */
import { Pool } from "undici";
import { type ApiError, type ApiRequests, actionOf, errorOf, type RequestOptions } from "../migration/api.ts";
import { ClusterFault } from "./cluster-fault.ts";
import type { ClusterAccess } from "./kubeconfig.ts";

/** The /metrics page of a large cluster has a few MiB. */
const MAX_BYTES = 64 << 20;
const TIMEOUT_MS = 30_000;

interface Answer {
  readonly statusCode: number;
  readonly text: string;
  readonly retryAfter: unknown;
}

export class ApiClient implements ApiRequests {
  readonly server: string;
  readonly #pool: Pool;
  readonly #access: ClusterAccess;

  /** @param connections the maximum number of connections, and so of requests at the same time */
  constructor(access: ClusterAccess, connections = 1) {
    const { server, ca, serverName, certificate, key } = access;
    this.server = server;
    this.#access = access;
    this.#pool = new Pool(server, {
      connections,
      pipelining: 1,
      allowH2: false,
      maxResponseSize: MAX_BYTES,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
      connect: {
        timeout: TIMEOUT_MS,
        minVersion: "TLSv1.2",
        ...(ca === undefined ? {} : { ca }),
        ...(serverName === undefined ? {} : { servername: serverName }),
        ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key: key.text() }),
      },
    });
  }

  /**
   * @param path with its query
   * @returns undefined if there is no such object (404)
   * @throws ClusterFault the API server does not answer, or answers with another status
   */
  async get(path: string, accept = "application/json"): Promise<string | undefined> {
    const { statusCode, text, retryAfter } = await this.#ask("GET", path, { accept }).catch((error) => {
      throw noAnswer(this.server, error);
    });
    if (statusCode === 200) return text;
    if (statusCode === 404) return undefined;
    throw refusal(this.server, errorOf(actionOf("GET", path), statusCode, text, retryAfter));
  }

  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const action = actionOf(method, path);
    const { statusCode, text, retryAfter } = await this.#ask(method, path, options).catch((error) => {
      throw errorOf(action, 0, noAnswer(this.server, error).message, undefined);
    });
    if (statusCode >= 200 && statusCode < 300) return parsed<T>(action, text);
    throw errorOf(action, statusCode, text, retryAfter);
  }

  async #ask(
    method: string,
    path: string,
    { body, type = "application/json", accept = "application/json", signal }: RequestOptions,
  ): Promise<Answer> {
    const { token } = this.#access;
    const answer = await this.#pool.request({
      method,
      path,
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      headers: {
        accept,
        ...(body === undefined ? {} : { "content-type": type }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token.text().trim()}` }),
      },
    });
    const { statusCode, headers } = answer;
    return { statusCode, text: await answer.body.text(), retryAfter: headers["retry-after"] };
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
    this.#access.key?.wipe();
    this.#access.token?.wipe();
  }
}

function parsed<T>(action: string, text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    throw errorOf(action, 0, "the answer is not JSON", undefined);
  }
}

function noAnswer(server: string, error: unknown): ClusterFault {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return new ClusterFault(
    `the request to ${server} failed: ${code === "" ? message : code}`,
    "Check the server and the CA in the kubeconfig.",
  );
}

/** Converts a failed request. */
export function refusal(server: string, { code, reason, message }: ApiError): ClusterFault {
  if (code === 0) return new ClusterFault(reason, "Check the server and the CA in the kubeconfig.");
  const remedy =
    code === 401 || code === 403
      ? "Let the user of the kubeconfig get /metrics, get and list the resources to count them, and list and patch them to rewrite them."
      : "Read the log of the API server.";
  return new ClusterFault(`${server}: ${message}`, remedy);
}
