/**
 * Requests over HTTP for code that cannot wait for a promise, such as a host call of the SDK's stand-in: a worker makes the request, and
 * this thread stands still until it has the answer. The server must be another process.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";

export interface SyncRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface SyncResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

const TIMEOUT_MS = 20_000;

/** No redirect is followed: fetch's "manual" gives the answer as it is. */
const WORKER = `
const { workerData } = require("node:worker_threads");
const { port, done } = workerData;
port.on("message", async ({ method, url, headers, body }) => {
  try {
    const sent = body.length > 0 ? { body } : {};
    const response = await fetch(url, { method, headers, redirect: "manual", ...sent });
    const bytes = new Uint8Array(await response.arrayBuffer());
    port.postMessage({ status: response.status, headers: Object.fromEntries(response.headers), body: bytes });
  } catch (error) {
    port.postMessage({ error: String(error.cause ?? error) });
  }
  Atomics.store(done, 0, 1);
  Atomics.notify(done, 0);
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
    if (Atomics.wait(this.#done, 0, 0, TIMEOUT_MS) === "timed-out") {
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
