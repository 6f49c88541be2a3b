/**
 * Frames between the host and a provider's process, over an inherited socket pair:
 *
 *     u32 length of the rest | u8 type | u32 call | payload        (big-endian)
 *
 * This file is plain JavaScript, like all code of the provider's process: stripping types would cost each process 17 MB and
 * 30 ms. tsc checks it anyway.
 */

/** Frame types. The host sends LOAD, CALL, ANSWER and DROP; the process sends the others. */
export const Frame = /** @type {const} */ ({
  /** Payload: u32 length of a JSON text, the text (LoadOptions), the module's bytes. Sent once, after STARTED and before any other frame. */
  LOAD: 1,
  /** The module is compiled and a first instance is ready. No payload. */
  LOADED: 2,
  /** Payload: u8 index into RPCS, then the input message. */
  CALL: 3,
  /** Payload: the output message. */
  RESULT: 4,
  /** Payload: in UTF-8, the reason why the call (or, for call 0, the loading) failed. */
  FAILED: 5,
  /** Payload: u8 length, capability, u8 length, operation, then the request message. */
  HOST_CALL: 6,
  /** Payload: a HostReply message. */
  ANSWER: 7,
  /** The host no longer waits for this call; the process drops its instance. No payload. */
  DROP: 8,
  /** The program runs and has no module yet. No payload. Sent once, before any other frame of the process. */
  STARTED: 9,
  /** What a call used, sent before its result if LoadOptions.reportsUsage. Payload, each u32: bytes of memory, blocks, bytes of blocks, microseconds to create the instance, microseconds in which the guest ran. */
  USAGE: 10,
});

/** The RPCs. The export that serves one has the prefix "kleidi_". */
export const RPCS = /** @type {const} */ (["status", "encrypt", "decrypt", "provision"]);

/**
 * @typedef {object} LoadOptions
 * @property {number} hostCalls the most host calls in one call, including those of kleidi:crypto and kleidi:log
 * @property {number} outputBytes the largest output of an export
 * @property {[module: string, name: string][]} imports the module's imports, as admission made them
 * @property {{ initial: number, maximum: number }} memory the memory that it imports, in pages of 64 KiB
 * @property {boolean} [reportsUsage] true: the process sends USAGE for each call
 * @property {boolean} [forwardsCrypto] true: host calls of kleidi:crypto go to the host like others, and are not computed in the process
 */

/** The largest message in either direction, in bytes (docs/ABI.md, section 3). */
export const MAX_MESSAGE = 65_536;
/** The largest payload of a frame of the process, in bytes: a message and the names of a host call. */
export const MAX_CHILD_FRAME = MAX_MESSAGE + 1024;
/** Bytes of the payload of USAGE. */
export const USAGE_BYTES = 20;
const HEADER = 9;

/**
 * Encodes a frame.
 * @param {number} type a value of Frame
 * @param {number} call the number of the call; 0 for frames of no call
 * @param {...Uint8Array} parts the payload, in parts
 * @returns {Buffer}
 * @example encodeFrame(Frame.RESULT, 1, Uint8Array.of(7)) // 00000006 04 00000001 07
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

/** Splits a stream of bytes into frames. A frame within one chunk is read in place; a frame over several chunks is copied once. */
export class FrameReader {
  #max;
  #onFrame;
  /**
   * A frame that has arrived in part: its first four bytes until the length is known, then a buffer for the whole frame.
   * @type {Buffer | undefined}
   */
  #partial;
  #filled = 0;
  #broken = false;

  /**
   * @param {number} max the largest payload of a frame, in bytes
   * @param {(type: number, call: number, payload: Buffer) => void} onFrame called for each frame; the payload is valid during the call only
   */
  constructor(max, onFrame) {
    this.#max = max;
    this.#onFrame = onFrame;
  }

  /**
   * @param {Buffer} chunk
   * @throws {RangeError} if the length of a frame is not allowed. All later bytes are ignored: the peer cannot be trusted
   */
  push(chunk) {
    if (this.#broken) return;
    let at = this.#partial === undefined ? 0 : this.#fill(chunk, 0);
    if (this.#partial !== undefined) return;
    while (chunk.length - at >= 4) {
      const end = at + 4 + this.#lengthAt(chunk, at);
      if (end > chunk.length) break;
      this.#pass(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#fill(chunk, at);
  }

  /**
   * Copies the missing bytes of the partial frame from a chunk, and passes the frame on when it is complete.
   * @param {Buffer} chunk
   * @param {number} at
   * @returns {number} the position of the rest of the chunk
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
      // The length is at least 5, so a buffer of more than 4 bytes is for the whole frame.
      const whole = Buffer.allocUnsafe(4 + this.#lengthAt(frame, 0));
      frame.copy(whole);
      frame = whole;
    }
    this.#partial = undefined;
    this.#filled = 0;
    this.#pass(frame, 0, frame.length);
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
      `the length is ${length} bytes, ${HEADER - 4} to ${this.#max + HEADER - 4} are allowed`,
    );
  }

  /**
   * @param {Buffer} bytes
   * @param {number} at
   * @param {number} end
   */
  #pass(bytes, at, end) {
    this.#onFrame(bytes.readUInt8(at + 4), bytes.readUInt32BE(at + 5), bytes.subarray(at + HEADER, end));
  }
}

/** Writes frames to a stream; the frames of one turn of the event loop go into one write. */
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

  /** Bytes that the socket has not accepted yet, including those of the current turn. */
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
