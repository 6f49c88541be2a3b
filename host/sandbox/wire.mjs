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
  /** Payload: u32 length of a JSON text, the text (LoadOptions), the module's bytes. Once, after STARTED, before anything else. */
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
  /** The program runs and has no module yet. No payload. Once, before anything else of the child. */
  STARTED: 9,
});

/** The exports that serve the RPCs are these names behind "kleidi_". */
export const RPCS = /** @type {const} */ (["status", "encrypt", "decrypt", "provision"]);

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

/** Cuts a stream of bytes into frames. What is complete in a chunk is read where it lies; only a frame in pieces is copied, once. */
export class FrameReader {
  #max;
  #onFrame;
  /**
   * A frame of which a part is there: its first four bytes until these tell its length, then room for all of it.
   * @type {Buffer | undefined}
   */
  #partial;
  #filled = 0;
  #broken = false;

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
   * @throws {RangeError} a frame claims a length that is not allowed: the peer cannot be trusted with another byte, and what it
   * sends after that is not read
   */
  push(chunk) {
    if (this.#broken) return;
    let at = this.#partial === undefined ? 0 : this.#fill(chunk, 0);
    if (this.#partial !== undefined) return;
    while (chunk.length - at >= 4) {
      const end = at + 4 + this.#lengthAt(chunk, at);
      if (end > chunk.length) break;
      this.#give(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#fill(chunk, at);
  }

  /**
   * Copies from a chunk what the partial frame wants, and gives it on when it is whole.
   * @param {Buffer} chunk
   * @param {number} at
   * @returns {number} where the chunk goes on
   */
  #fill(chunk, at) {
    let frame = this.#partial ?? Buffer.allocUnsafe(4);
    for (;;) {
      const end = Math.min(chunk.length, at + frame.length - this.#filled);
      this.#filled += chunk.copy(frame, this.#filled, at, end);
      at = end;
      if (this.#filled < frame.length) {
        this.#partial = frame;
        return at;
      }
      if (frame.length > 4) break;
      // The length is at least 5, so what is longer than 4 bytes is a whole frame.
      const whole = Buffer.allocUnsafe(4 + this.#lengthAt(frame, 0));
      frame.copy(whole);
      frame = whole;
    }
    this.#partial = undefined;
    this.#filled = 0;
    this.#give(frame, 0, frame.length);
    return at;
  }

  /**
   * @param {Buffer} bytes
   * @param {number} at
   */
  #lengthAt(bytes, at) {
    const length = bytes.readUInt32BE(at);
    if (length >= HEADER - 4 && length <= this.#max + HEADER - 4) return length;
    this.#broken = true;
    this.#partial = undefined;
    throw new RangeError(
      `a frame claims ${length} bytes, ${HEADER - 4} to ${this.#max + HEADER - 4} are allowed`,
    );
  }

  /**
   * @param {Buffer} bytes
   * @param {number} at
   * @param {number} end
   */
  #give(bytes, at, end) {
    this.#onFrame(bytes.readUInt8(at + 4), bytes.readUInt32BE(at + 5), bytes.subarray(at + HEADER, end));
  }
}

/** Writes frames to a stream, all those of one turn of the event loop in one write. */
export class FrameWriter {
  #stream;
  /** @type {Buffer[]} */
  #waiting = [];
  #waitingBytes = 0;

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
    const frame = encodeFrame(type, call, ...parts);
    this.#waiting.push(frame);
    this.#waitingBytes += frame.length;
    if (this.#waiting.length === 1) queueMicrotask(() => this.#flush());
  }

  /** Bytes that the other side's socket did not take yet, those of this turn included. */
  get unreadBytes() {
    return this.#waitingBytes + this.#stream.writableLength;
  }

  #flush() {
    const frames = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (!this.#stream.writable) return;
    const [first] = frames;
    this.#stream.write(frames.length === 1 && first !== undefined ? first : Buffer.concat(frames));
  }
}
