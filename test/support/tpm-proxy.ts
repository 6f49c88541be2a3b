/**
 * A man in the middle between a host and swtpm: it reads every command and response, and may change, cut, delay or replace responses. The
 * size field of a message gives its end.
 */
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface Heard {
  /** The command's code, also for its response. */
  readonly code: number;
  readonly from: "host" | "tpm";
  readonly bytes: Buffer;
}

/** The reaction to a response: bytes, delayed, or followed by the end of the connection. */
export interface Reaction {
  readonly send: Buffer;
  readonly afterMs?: number;
  readonly thenCut?: boolean;
}

/** Receives the command's code and the response's bytes, which it may change. */
export type Tamper = (code: number, response: Buffer) => Buffer | Reaction;

const honest: Tamper = (_code, response) => response;
const HEADER = 10;

export class TpmProxy {
  readonly heard: Heard[] = [];
  tamper: Tamper = honest;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #hosts = new Set<Socket>();
  readonly #late: Promise<void>[] = [];

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

  /** Tampers only with the next response to this command, or with the nth of them from 1. */
  next(code: number, change: (response: Buffer) => Buffer | Reaction, nth = 1): { readonly done: boolean } {
    return this.#tamperWith(code, change, (count) => count === nth);
  }

  /**
   * Tampers with every response to this command, from the nth on. Where the host also uses the TPM by itself, this is sure to affect the
   * test's own call.
   */
  every(code: number, change: (response: Buffer) => Buffer | Reaction, nth = 1): { readonly done: boolean } {
    return this.#tamperWith(code, change, (count) => count >= nth);
  }

  #tamperWith(
    code: number,
    change: (response: Buffer) => Buffer | Reaction,
    isMeant: (count: number) => boolean,
  ): { readonly done: boolean } {
    const state = { done: false };
    let count = 0;
    this.tamper = (each, response) => {
      if (each !== code || !isMeant(++count)) return response;
      state.done = true;
      return change(response);
    };
    return state;
  }

  /** Waits until every delayed response has been sent, or its connection is gone. */
  async allGiven(): Promise<void> {
    while (this.#late.length > 0) await this.#late.shift();
  }

  /** The number of open connections of hosts. */
  get connections(): number {
    return this.#hosts.size;
  }

  honest(): void {
    this.tamper = honest;
  }

  /**
   * Closes the connections, and resolves when the host has closed its side: it reconnects when needed, and loads its objects in the TPM
   * again.
   */
  async cut(): Promise<void> {
    const closed = [...this.#hosts].map((host) => once(host, "close"));
    for (const host of this.#hosts) host.end();
    await Promise.all(closed);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
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
      const deliver = () => {
        // The connection was cut, or a host that does not wait so long has closed it.
        if (host.writableEnded || host.destroyed) return;
        if (thenCut) host.end(send);
        else host.write(send);
      };
      if (afterMs === 0) deliver();
      else this.#late.push(sleep(afterMs).then(deliver));
    });
  }

  /** Calls back with each complete message from one side. */
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
