/** Reads from one API server over one connection, which a load balancer in between keeps on one server. Sends no writes. */
import { Client } from "undici";
import { ClusterFault } from "./cluster-fault.ts";
import type { ClusterAccess } from "./kubeconfig.ts";

/** The /metrics page of a large cluster has a few MiB. */
const MAX_BYTES = 64 << 20;
const TIMEOUT_MS = 30_000;

/** Requests only the metadata of objects: the values of Secrets do not leave the API server. */
export const METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
export const METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

export class ApiClient {
  readonly server: string;
  readonly #client: Client;
  readonly #access: ClusterAccess;

  constructor(access: ClusterAccess) {
    const { server, ca, serverName, certificate, key } = access;
    this.server = server;
    this.#access = access;
    this.#client = new Client(server, {
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
    const { statusCode, text } = await this.#ask(path, accept);
    if (statusCode === 200) return text;
    if (statusCode === 404) return undefined;
    const who = statusCode === 401 || statusCode === 403;
    const remedy = who
      ? "Let the user of the kubeconfig get /metrics and, for --count, get and list the resources."
      : "Read the log of the API server.";
    throw new ClusterFault(
      `${this.server} answered GET ${path.replace(/\?.*$/, "")} with HTTP ${statusCode}`,
      remedy,
    );
  }

  async #ask(path: string, accept: string): Promise<{ statusCode: number; text: string }> {
    const { token } = this.#access;
    try {
      const { statusCode, body } = await this.#client.request({
        method: "GET",
        path,
        headers: {
          accept,
          ...(token === undefined ? {} : { authorization: `Bearer ${token.text().trim()}` }),
        },
      });
      return { statusCode, text: await body.text() };
    } catch (error) {
      const { code = "", message } = error as NodeJS.ErrnoException;
      throw new ClusterFault(
        `the request to ${this.server} failed: ${code === "" ? message : code}`,
        "Check the server and the CA in the kubeconfig.",
      );
    }
  }

  async close(): Promise<void> {
    await this.#client.destroy();
    this.#access.key?.wipe();
    this.#access.token?.wipe();
  }
}
