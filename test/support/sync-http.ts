/**
 * Requests over HTTP for code that cannot wait for a promise, such as a host call of the SDK's stand-in: a worker makes the request, and
 * this thread blocks until it has the answer. The server must be another process.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";

export interface SyncRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** PEM, for https. */
  readonly ca?: string;
}

export interface SyncResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const TIMEOUT_MS = 20_000;

/** node:http follows no redirect; over https the server's certificate is checked with `ca`. */
const WORKER = `
const { workerData } = require("node:worker_threads");
const modules = { "http:": require("node:http"), "https:": require("node:https") };
const { port, done } = workerData;
const answer = (message) => {
  port.postMessage(message);
  Atomics.store(done, 0, 1);
  Atomics.notify(done, 0);
};
port.on("message", ({ method, url, headers, body, ca }) => {
  const options = { method, headers: { ...headers, "content-length": body.length }, ca, agent: false };
  const request = modules[new URL(url).protocol].request(url, options, (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.once("error", (error) => answer({ error: String(error) }));
    response.once("end", () => {
      const entries = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
      const status = response.statusCode;
      answer({ status, headers: Object.fromEntries(entries), body: new Uint8Array(Buffer.concat(chunks)) });
    });
  });
  request.once("error", (error) => answer({ error: String(error) }));
  request.end(body);
});
`;

export class SyncHttp {
  readonly #done = new Int32Array(new SharedArrayBuffer(4));
  readonly #port: MessagePort;
  readonly #worker: Worker;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const workerData = { port: port2, done: this.#done };
    this.#worker = new Worker(WORKER, { eval: true, workerData, transferList: [port2] });
  }

  /** Throws where there was no answer. */
  request(request: SyncRequest): SyncResponse {
    Atomics.store(this.#done, 0, 0);
    this.#port.postMessage(request);
    // The worker may have been interrupted between the flag of the answer before and its wake-up, which then comes now.
    while (Atomics.load(this.#done, 0) === 0) {
      if (Atomics.wait(this.#done, 0, 0, TIMEOUT_MS) === "timed-out")
        throw new Error(`${request.method} ${request.url} had no answer within ${TIMEOUT_MS} ms`);
    }
    const { error, ...response } = receiveMessageOnPort(this.#port)?.message ?? { error: "nothing came" };
    if (error !== undefined) throw new Error(`${request.method} ${request.url}: ${error}`);
    return response;
  }

  async close(): Promise<void> {
    this.#port.close();
    await this.#worker.terminate();
  }
}
