/**
 * Frames between the host and a provider's process, over an inherited socket pair:
 *
 *     u32 length of what follows | u8 type | u32 call | payload        (big-endian)
 *
 * This file is plain JavaScript, like all that the provider's process runs: stripping types there would cost each process
 * 17 MB and 30 ms. tsc checks it all the same.
 */

/** Frame types. The host sends LOAD, CALL, ANSWER and DROP; the child the others. */
export const Frame = /** @type {const} */ ({
  /** Payload: u32 length of a JSON text, the text (LoadOptions), the module's bytes. Once, before anything else. */
  LOAD: 1,
  /** The module is compiled and a first instance is ready. No payload. */
  LOADED: 2,
  /** Payload: u8 index into RPCS, then the input message. */
  CALL: 3,
  /** Payload: the output message. */
  RESULT: 4,
  /** Payload: UTF-8, why the call (or, for call 0, the loading) failed. */
  FAILED: 5,
  /** Payload: u8 length, capability, u8 length, operation, then the request message. */
  HOST_CALL: 6,
  /** Payload: a HostReply message. */
  ANSWER: 7,
  /** The host waits no longer for this call: its instance goes. No payload. */
  DROP: 8,
});

/** The exports that serve the RPCs are these names behind "kleidi_". */
export const RPCS = /** @type {const} */ (["status", "encrypt", "decrypt"]);

/**
 * @typedef {object} LoadOptions
 * @property {number} hostCalls host calls in one call, those of kleidi:crypto and kleidi:log counted too
 * @property {number} outputBytes the largest output of an export
 * @property {[module: string, name: string][]} imports what admission read of the module
 */

/** The largest message either way (docs/ABI.md, section 3). */
export const MAX_MESSAGE = 65_536;
/** From the child: a message and the names of a host call. */
export const MAX_CHILD_FRAME = MAX_MESSAGE + 1024;
const HEADER = 9;

/**
 * @param {number} type
 * @param {number} call
 * @param {...Uint8Array} parts
 * @returns {Buffer}
 */
export function encodeFrame(type, call, ...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = Buffer.allocUnsafe(HEADER + length);
  frame.writeUInt32BE(HEADER - 4 + length, 0);
  frame.writeUInt8(type, 4);
  frame.writeUInt32BE(call, 5);
  let at = HEADER;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #max;
  #onFrame;
  /** @type {Buffer} */
  #rest = Buffer.alloc(0);

  /**
   * @param {number} max the largest length that a frame may claim
   * @param {(type: number, call: number, payload: Buffer) => void} onFrame the payload is only good during the call
   */
  constructor(max, onFrame) {
    this.#max = max;
    this.#onFrame = onFrame;
  }

  /**
   * @param {Buffer} chunk
   * @throws {RangeError} a frame claims a length that is not allowed: the peer cannot be trusted with another byte
   */
  push(chunk) {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 4) {
      const length = bytes.readUInt32BE(0);
      if (length < HEADER - 4 || length > this.#max + HEADER - 4) {
        throw new RangeError(
          `a frame claims ${length} bytes, ${HEADER - 4} to ${this.#max + HEADER - 4} are allowed`,
        );
      }
      if (bytes.length < 4 + length) break;
      this.#onFrame(bytes.readUInt8(4), bytes.readUInt32BE(5), bytes.subarray(HEADER, 4 + length));
      bytes = bytes.subarray(4 + length);
    }
    this.#rest = bytes;
  }
}

/** Writes frames to a stream, all those of one turn of the event loop in one write. */
export class FrameWriter {
  #stream;
  /** @type {Buffer[]} */
  #waiting = [];

  /** @param {import("node:stream").Writable} stream */
  constructor(stream) {
    this.#stream = stream;
  }

  /**
   * @param {number} type
   * @param {number} call
   * @param {...Uint8Array} parts
   */
  send(type, call, ...parts) {
    this.#waiting.push(encodeFrame(type, call, ...parts));
    if (this.#waiting.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush() {
    const frames = this.#waiting;
    this.#waiting = [];
    if (!this.#stream.writable) return;
    const [first] = frames;
    this.#stream.write(frames.length === 1 && first !== undefined ? first : Buffer.concat(frames));
  }
}
