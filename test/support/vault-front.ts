/**
 * A proxy between a host and OpenBao: it forwards requests, records them, and may answer in the server's place, late, wrongly or not at
 * all. To a host it is an ordinary origin, over plain HTTP or TLS.
 */
import {
  createServer,
  type IncomingMessage,
  request as plain,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";

export interface Heard {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

/** True: it has answered, or never will. */
export type Interfere = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;

export interface FrontOptions {
  /** PEM; absent: plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string };
  /** 0: any free one. */
  readonly port?: number;
}

export class Front {
  readonly heard: Heard[] = [];
  interfere: Interfere | undefined;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** An error that `interfere` threw: a failed assertion of a test must not look like a server that hangs up. */
  readonly #faults: unknown[] = [];
  readonly #tls: boolean;

  private constructor(server: Server, tls: boolean) {
    this.#server = server;
    this.#tls = tls;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** @param target "http://127.0.0.1:PORT", where OpenBao listens */
  static async start(target: string, { tls, port = 0 }: FrontOptions = {}): Promise<Front> {
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void front.#answer(target, request, response);
    const server = tls
      ? createTlsServer({ ...tls, requestCert: tls.ca !== undefined }, onRequest)
      : createServer(onRequest);
    const front = new Front(server as Server, tls !== undefined);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return front;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.#tls ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  /** The number of requests with a path that ends like this. */
  count(end: string): number {
    return this.heard.filter(({ path }) => path.endsWith(end)).length;
  }

  /** Cuts every connection that is open. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
    if (this.#faults.length > 0) throw this.#faults[0];
  }

  async #answer(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    this.heard.push({ method, path: url, headers });
    try {
      if (await this.interfere?.(request, response)) return;
    } catch (error) {
      this.#faults.push(error);
      request.socket.destroy();
      return;
    }
    const onward = plain(`${target}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }
}
