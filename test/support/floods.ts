/**
 * Clients that flood a host's two listeners, each until it is stopped; one whose connection is closed reconnects. For test/floods and
 * `npm run bench -- floods`.
 */
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  FLAG,
  frame,
  headerBlock,
  message,
  PING,
  PREFACE,
  SETTINGS,
  SETTINGS_OF_ONE,
  TYPE,
} from "./h2-frames.ts";

export interface Target {
  readonly socket: string;
  /** The port of the admin listener on 127.0.0.1. */
  readonly port: number;
}

/** Not Encrypt, because filling a provider's queue is another attack. */
const STATUS = message(Buffer.alloc(0));

type Flood = (target: Target, signal: AbortSignal) => Promise<void>;

export const FLOODS = {
  "rapid reset": ({ socket }, signal) =>
    each(4, signal, () => pour(connect(socket), signal, [PREFACE, SETTINGS], resets())),
  SETTINGS: ({ socket }, signal) =>
    each(4, signal, () => pour(connect(socket), signal, [PREFACE], always(SETTINGS_OF_ONE, 500))),
  PING: ({ socket }, signal) =>
    each(4, signal, () => pour(connect(socket), signal, [PREFACE, SETTINGS], always(PING, 500))),
  CONTINUATION: ({ socket }, signal) => {
    const begun = frame(TYPE.headers, FLAG.endStream, 1, headerBlock("Status"));
    const more = always(frame(TYPE.continuation, 0, 1, Buffer.from([0x00, 1, 0x61, 1, 0x62])), 500);
    return each(4, signal, () => pour(connect(socket), signal, [PREFACE, SETTINGS, begun], more));
  },
  "empty DATA": ({ socket }, signal) => {
    const begun = frame(TYPE.headers, FLAG.endHeaders, 1, headerBlock("Encrypt"));
    const more = always(frame(TYPE.data, 0, 1), 500);
    return each(4, signal, () => pour(connect(socket), signal, [PREFACE, SETTINGS, begun], more));
  },
  "silent connections": ({ socket }, signal) => each(512, signal, () => wait(connect(socket), signal)),
  "endless requests": ({ socket }, signal) => {
    // 60,000 of 65,000 bytes, without an end
    const begun = message(Buffer.alloc(60_000), 65_000);
    return each(24, signal, () => requests(socket, signal, 1024, {}, (stream) => stream.write(begun)));
  },
  "zero window": ({ socket }, signal) => {
    const settings = { initialWindowSize: 0 };
    return each(8, signal, () =>
      requests(socket, signal, 256, settings, (stream) => stream.end(STATUS), "Status"),
    );
  },
  // More than there are slots; a closed one reconnects.
  "answered callers": ({ socket }, signal) =>
    each(300, signal, () =>
      // A client that does not read its answer does not see the end either.
      requests(socket, signal, 1, {}, (stream) => stream.resume().end(STATUS), "Status"),
    ),
  "admin: pipelined": ({ port }, signal) =>
    each(4, signal, () => wait(connect(port, "127.0.0.1"), signal, pipelined(1400), false)),
  "admin: silent": ({ port }, signal) => each(256, signal, () => wait(connect(port, "127.0.0.1"), signal)),
  "admin: 60 readers": ({ port }, signal) =>
    each(60, signal, () => wait(connect(port, "127.0.0.1"), signal, pipelined(1))),
} as const satisfies Record<string, Flood>;
export type FloodName = keyof typeof FLOODS;

export function pipelined(count: number): Buffer {
  return Buffer.from("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(count));
}

/** Runs `count` clients, each of which restarts when it ends. */
async function each(count: number, signal: AbortSignal, once: () => Promise<void>): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, async () => {
      while (!signal.aborted) {
        const begun = performance.now();
        await once();
        // A client that is refused at once must not spin: it would use up more descriptors than any other process.
        if (performance.now() - begun < 1) await sleep(1);
      }
    }),
  );
}

function always(bytes: Buffer, times: number): () => Buffer {
  const all = Buffer.concat(Array.from({ length: times }, () => bytes));
  return () => all;
}

function resets(): () => Buffer {
  let stream = -1;
  const block = headerBlock("Status");
  const cancel = Buffer.from([0, 0, 0, 8]);
  return () =>
    Buffer.concat(
      Array.from({ length: 50 }, () => {
        stream += 2;
        const opened = frame(TYPE.headers, FLAG.endHeaders, stream, block);
        return Buffer.concat([opened, frame(TYPE.reset, 0, stream, cancel)]);
      }),
    );
}

/** Writes as fast as the peer reads, and reads all input, until the connection ends. */
async function pour(socket: Socket, signal: AbortSignal, first: Buffer[], next: () => Buffer): Promise<void> {
  const ended = wait(socket, signal, Buffer.concat(first));
  const more = () => {
    for (let i = 0; i < 100 && !socket.destroyed; i++) if (!socket.write(next())) return;
    setImmediate(more);
  };
  socket.on("drain", more).once("connect", more);
  await ended;
}

/** Waits for the end of the connection. */
async function wait(socket: Socket, signal: AbortSignal, bytes?: Buffer, reads = true): Promise<void> {
  const stop = () => socket.destroy();
  signal.addEventListener("abort", stop, { once: true });
  socket.on("error", () => {});
  if (bytes !== undefined) socket.write(bytes);
  if (reads) socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  signal.removeEventListener("abort", stop);
}

type Stream = ReturnType<ReturnType<typeof connectHttp2>["request"]>;

/** Sends `count` requests on one valid HTTP/2 connection, regardless of the concurrency that the server allows. */
async function requests(
  path: string,
  signal: AbortSignal,
  count: number,
  settings: { initialWindowSize?: number },
  send: (stream: Stream) => void,
  rpc = "Encrypt",
): Promise<void> {
  const socket = connect(path);
  const ended = wait(socket, signal, undefined, false);
  const session = connectHttp2("http://localhost", { createConnection: () => socket, settings });
  session.on("error", () => {});
  session.once("connect", () => {
    for (let i = 0; i < count && !session.destroyed; i++) {
      const stream = session.request({
        ":method": "POST",
        ":path": `/v2.KeyManagementService/${rpc}`,
        "content-type": "application/grpc",
        te: "trailers",
      });
      stream.on("error", () => {});
      send(stream);
    }
  });
  await ended;
  session.destroy();
}
