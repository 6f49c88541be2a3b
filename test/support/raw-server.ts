/** A server that reads HTTP and writes any answer of a test, byte by byte, including those that no HTTP library would write. */
import { createServer, type Server, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

export interface RawRequest {
  readonly socket: Socket;
  /** Request line and headers, without the empty line. */
  readonly head: string;
  readonly body: string;
  /** The 1-based index of the request at this server. */
  readonly ordinal: number;
}

export type OnRequest = (request: RawRequest) => void;

export class RawServer {
  readonly requests: RawRequest[] = [];
  /** All connections so far. */
  connections = 0;
  readonly open = new Set<Socket>();
  readonly #server: Server;

  private constructor(onRequest: OnRequest, tls: TlsOptions | undefined) {
    const onConnection = (socket: Socket) => this.#serve(socket, onRequest);
    this.#server = tls === undefined ? createServer(onConnection) : createTlsServer(tls, onConnection);
    this.#server.on("connection", () => {
      this.connections += 1;
    });
    this.#server.on("tlsClientError", () => {});
  }

  /** Is stopped after the test. @param at the address to listen on */
  static async start(
    t: TestContext,
    onRequest: OnRequest,
    tls?: TlsOptions,
    at = "127.0.0.1",
    port = 0,
  ): Promise<RawServer> {
    const server = new RawServer(onRequest, tls);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", reject);
      server.#server.listen(port, at, resolve);
    });
    t.after(() => server.stop());
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the server does not listen");
    return address.port;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.open) socket.destroy();
    await closed;
  }

  #serve(socket: Socket, onRequest: OnRequest): void {
    this.open.add(socket);
    socket.once("close", () => this.open.delete(socket));
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      for (;;) {
        const [, head = ""] = /^([\s\S]*?)\r\n\r\n/.exec(text) ?? [];
        const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
        const end = head.length + 4 + length;
        if (head === "" || text.length < end) return;
        const body = text.slice(head.length + 4, end);
        text = text.slice(end);
        const request = { socket, head, body, ordinal: this.requests.length + 1 };
        this.requests.push(request);
        onRequest(request);
      }
    });
  }
}

/** An answer of status 200 with this body. */
export function ok(body = "", ...headers: readonly string[]): string {
  return ["HTTP/1.1 200 OK", `content-length: ${body.length}`, ...headers, "", body].join("\r\n");
}
