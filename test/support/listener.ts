/** An HTTP server on loopback for the stand-in of a cloud's service: one function answers, every request is kept. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Sent {
  readonly status: number;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Undefined: the request is never answered. */
export type Answerer = (request: Received) => Sent | undefined;

export class Listener {
  readonly requests: Received[] = [];
  readonly origin: string;
  readonly #server: Server;

  private constructor(server: Server, scheme: string, answer: Answerer, now: () => number) {
    this.#server = server;
    this.origin = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("request", async (message, reply) => {
      const received = await receive(message);
      this.requests.push(received);
      const sent = answer(received);
      if (sent === undefined) return;
      const { status, type = "text/plain", headers = {}, body } = sent;
      reply.sendDate = false;
      reply.writeHead(status, {
        date: new Date(now()).toUTCString(),
        "content-type": type,
        "content-length": Buffer.byteLength(body),
        ...headers,
      });
      reply.end(body);
    });
  }

  /** @param tls its certificate and key in PEM; absent: in the clear */
  static async start(
    answer: Answerer,
    now: () => number,
    tls?: { readonly cert: string; readonly key: string },
  ): Promise<Listener> {
    const server: Server = tls === undefined ? createServer() : createTlsServer(tls);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Listener(server, tls === undefined ? "http" : "https", answer, now);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function receive(message: IncomingMessage): Promise<Received> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  const { method = "", url = "", headers } = message;
  const at = url.indexOf("?");
  return {
    method,
    path: at === -1 ? url : url.slice(0, at),
    query: new URLSearchParams(at === -1 ? "" : url.slice(at + 1)),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(",") : (value ?? ""),
      ]),
    ),
    body: Buffer.concat(parts),
  };
}
