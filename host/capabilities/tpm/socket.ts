/**
 * Virtual TPMs over a socket. swtpm takes bare commands and returns bare responses; the simulator of the reference implementation
 * ("mssim") frames both. A command is one write: swtpm reads once, and would take the rest of a split command for the next one.
 */
import { connect, type Socket } from "node:net";
import { HEADER, MAX_SIZE } from "./response.ts";
import type { Transport } from "./transport.ts";
import { TransportError } from "./transport-error.ts";

export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

interface Framing {
  wrap(command: Uint8Array): Uint8Array;
  /** The response; undefined if more bytes are needed. */
  unwrap(received: Buffer): Uint8Array | undefined;
}

const BARE: Framing = {
  wrap: (command) => command,
  unwrap(received) {
    if (received.length < HEADER) return undefined;
    const size = bounded(received.readUInt32BE(2));
    return exactly(received, size, 0, size);
  },
};

/** TPM_SEND_COMMAND of the simulator's TCP protocol: u32 8, u8 locality, u32 length; back come u32 length, the response, u32 0. */
const MSSIM: Framing = {
  wrap(command) {
    const framed = Buffer.alloc(9 + command.length);
    framed.writeUInt32BE(8, 0);
    framed.writeUInt32BE(command.length, 5);
    framed.set(command, 9);
    return framed;
  },
  unwrap(received) {
    if (received.length < 4) return undefined;
    const size = bounded(received.readUInt32BE(0));
    return exactly(received, size + 8, 4, size);
  },
};

/** The parameters of TpmEndpoint.open (transport.ts). */
type OpenParameters = [onClosed: () => void, givenUp: AbortSignal];

export const openSwtpm = (address: SocketAddress, ...parameters: OpenParameters) =>
  open(address, BARE, ...parameters);
export const openMssim = (address: SocketAddress, ...parameters: OpenParameters) =>
  open(address, MSSIM, ...parameters);

function bounded(size: number): number {
  if (size >= HEADER && size <= MAX_SIZE) return size;
  throw new TransportError(
    `a response that says it has ${size} bytes, ${HEADER} to ${MAX_SIZE} are possible`,
  );
}

function exactly(received: Buffer, total: number, at: number, size: number): Uint8Array | undefined {
  if (received.length < total) return undefined;
  if (received.length > total) {
    throw new TransportError(`${received.length - total} unexpected bytes after a response`);
  }
  return Uint8Array.from(received.subarray(at, at + size));
}

async function open(
  address: SocketAddress,
  framing: Framing,
  onClosed: () => void,
  givenUp: AbortSignal,
): Promise<Transport> {
  const socket = connect({ ...address, noDelay: true });
  // Otherwise a connection that is never accepted would stay for as long as the system tries.
  const giveUp = () => socket.destroy(Object.assign(new Error("given up"), { code: "ETIMEDOUT" }));
  givenUp.addEventListener("abort", giveUp, { once: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (error: NodeJS.ErrnoException) =>
      reject(new TransportError(`there is no connection (${error.code ?? "unknown"})`, error.code)),
    );
  });
  givenUp.removeEventListener("abort", giveUp);
  return new SocketTransport(socket, framing, onClosed);
}

interface Pending {
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (error: TransportError) => void;
  received: Buffer;
}

class SocketTransport implements Transport {
  readonly #socket: Socket;
  readonly #framing: Framing;
  readonly #onClosed: () => void;
  #pending: Pending | undefined;
  #ended = false;

  constructor(socket: Socket, framing: Framing, onClosed: () => void) {
    this.#socket = socket;
    this.#framing = framing;
    this.#onClosed = onClosed;
    socket.removeAllListeners("error");
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", (error: NodeJS.ErrnoException) => this.#end(`it failed (${error.code ?? "unknown"})`));
    socket.on("close", () => this.#end("the other side closed it"));
  }

  exchange(command: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (this.#ended || this.#pending !== undefined) {
        reject(new TransportError(this.#ended ? "the connection is closed" : "another command is running"));
        return;
      }
      this.#pending = { resolve, reject, received: Buffer.alloc(0) };
      this.#socket.write(this.#framing.wrap(command));
    });
  }

  close(): void {
    this.#end("the host closed it", false);
  }

  #take(chunk: Buffer): void {
    const pending = this.#pending;
    // Unsolicited bytes would be taken for the next response.
    if (pending === undefined) {
      this.#end("it sent unsolicited bytes");
      return;
    }
    pending.received = Buffer.concat([pending.received, chunk]);
    try {
      const response = this.#framing.unwrap(pending.received);
      if (response === undefined) return;
      this.#pending = undefined;
      pending.resolve(response);
    } catch (error) {
      this.#end(error instanceof TransportError ? error.message : "it cannot be read");
    }
  }

  #end(why: string, tell = true): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroy();
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) pending.reject(new TransportError(`the connection ended: ${why}`));
    else if (tell) this.#onClosed();
  }
}
