/** A man in the middle between a host and swtpm: it hears every command and response, and may change what comes back. */
import { createConnection, createServer, type Server, type Socket } from "node:net";

export class TpmProxy {
  readonly heard: Buffer[] = [];
  /** Changes a response; what it gets is the command's code and the response's bytes. */
  tamper: (code: number, response: Buffer) => Buffer = (_code, response) => response;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(path: string, upstream: string): Promise<TpmProxy> {
    const server = createServer();
    const proxy = new TpmProxy(server);
    server.on("connection", (host) => proxy.#join(host, createConnection(upstream)));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return proxy;
  }

  #join(host: Socket, tpm: Socket): void {
    let code = 0;
    for (const [from, to] of [
      [host, tpm],
      [tpm, host],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => {});
      from.on("close", () => to.destroy());
      // One command at a time, each in one write: what comes in one piece is one of them.
      from.on("data", (chunk) => {
        const bytes = Buffer.from(chunk);
        this.heard.push(bytes);
        if (from === host) {
          code = bytes.readUInt32BE(6);
          to.write(bytes);
        } else to.write(this.tamper(code, bytes));
      });
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
