/** HTTP/2 frames (RFC 9113, 4.1) of a client that violates the rules; node:http2 enforces most of them. */

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const;
export const FLAG = { endStream: 1, endHeaders: 4 } as const;

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export const SETTINGS = frame(TYPE.settings, 0, 0);
/** INITIAL_WINDOW_SIZE 65,535, as if it had changed. */
export const SETTINGS_OF_ONE = frame(TYPE.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0xff, 0xff]));
export const PING = frame(TYPE.ping, 0, 0, Buffer.alloc(8));

/** HPACK (RFC 7541) without compression, names of the static table where there are any. */
export function headerBlock(rpc: string): Buffer {
  const text = (value: string) => [value.length, ...Buffer.from(value)];
  return Buffer.from([
    0x83, // :method POST
    0x86, // :scheme http
    0x04, // :path
    ...text(`/v2.KeyManagementService/${rpc}`),
    0x01, // :authority
    ...text("localhost"),
    0x0f, // content-type: 31 = 15 + 16
    0x10,
    ...text("application/grpc"),
    0x00,
    ...text("te"),
    ...text("trailers"),
  ]);
}

/** A gRPC message: the flag "not compressed", its length, its bytes. */
export function message(bytes: Uint8Array, length = bytes.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, bytes]);
}
