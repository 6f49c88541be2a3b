/**
 * A man in the middle between a host and swtpm: it hears every command and response, and may change, cut, delay or replace what comes
 * back. Where a message ends, its own size field says.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface Heard {
  /** The command's code, for its response too. */
  readonly code: number;
  readonly from: "host" | "tpm";
  readonly bytes: Buffer;
}

/** What the host gets: bytes; late, or with the connection's end behind them. */
export interface Reaction {
  readonly send: Buffer;
  readonly afterMs?: number;
  readonly thenCut?: boolean;
}

/** What it gets is the command's code and the response's bytes, its own to change. */
export type Tamper = (code: number, response: Buffer) => Buffer | Reaction;

const honest: Tamper = (_code, response) => response;
const HEADER = 10;

export class TpmProxy {
  readonly heard: Heard[] = [];
  tamper: Tamper = honest;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #hosts = new Set<Socket>();

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

  /** Tampers with the next response to this command, or with the how-manieth of them from 1, and with no other. */
  next(code: number, change: (response: Buffer) => Buffer | Reaction, nth = 1): { readonly done: boolean } {
    const state = { done: false };
    let left = nth;
    this.tamper = (each, response) => {
      if (each !== code || state.done || --left > 0) return response;
      state.done = true;
      return change(response);
    };
    return state;
  }

  /** Of hosts, that none of them has ended. */
  get connections(): number {
    return this.#hosts.size;
  }

  honest(): void {
    this.tamper = honest;
  }

  /** Ends what connections there are: the host makes another one when it needs it, and begins anew in the TPM. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Until nothing was said for so long: nobody but the test is about to use the TPM. */
  async quiet(forMs = 100): Promise<void> {
    for (let before = -1; before !== this.heard.length; ) {
      before = this.heard.length;
      await sleep(forMs);
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(host: Socket, tpm: Socket): void {
    let code = 0;
    this.#hosts.add(host);
    host.on("close", () => this.#hosts.delete(host));
    this.#messages(host, tpm, (bytes) => {
      code = bytes.readUInt32BE(6);
      this.heard.push({ code, from: "host", bytes });
      tpm.write(bytes);
    });
    this.#messages(tpm, host, (bytes) => {
      this.heard.push({ code, from: "tpm", bytes });
      const reaction = this.tamper(code, Buffer.from(bytes));
      const {
        send,
        afterMs = 0,
        thenCut = false,
      } = Buffer.isBuffer(reaction) ? { send: reaction } : reaction;
      const deliver = () => (thenCut ? host.end(send) : host.write(send));
      if (afterMs === 0) deliver();
      // A host that does not wait so long has ended the connection.
      else setTimeout(() => host.destroyed || deliver(), afterMs);
    });
  }

  /** Calls with each whole message that comes from a side. */
  #messages(from: Socket, to: Socket, take: (bytes: Buffer) => void): void {
    let received = Buffer.alloc(0);
    this.#sockets.add(from);
    from.on("error", () => {});
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= HEADER && received.length >= received.readUInt32BE(2)) {
        const size = Math.max(received.readUInt32BE(2), HEADER);
        take(Buffer.from(received.subarray(0, size)));
        received = received.subarray(size);
      }
    });
  }
}
