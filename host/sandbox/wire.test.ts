import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { setImmediate as immediate } from "node:timers/promises";
import fc from "fast-check";
import * as hostCall from "../host-call.ts";
import { encodeFrame, Frame, FrameReader, FrameWriter, RPCS } from "./wire.mjs";

const MAX = 1000;

interface Read {
  readonly type: number;
  readonly call: number;
  readonly payload: string;
}

/** Reads chunks with a FrameReader. */
function read(chunks: readonly Uint8Array[], max = MAX): Read[] {
  const frames: Read[] = [];
  const reader = new FrameReader(max, (type, call, payload) =>
    frames.push({ type, call, payload: payload.toString("hex") }),
  );
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  return frames;
}

test("a frame is its length, type and call in big-endian, then the payload", () => {
  assert.equal(
    encodeFrame(Frame.CALL, 0x01020304, Uint8Array.of(0xaa), Uint8Array.of(0xbb, 0xcc)).toString("hex"),
    "00000008" + "03" + "01020304" + "aabbcc",
  );
});

test("a frame without a payload has length 5", () => {
  assert.equal(encodeFrame(Frame.LOADED, 0).toString("hex"), "000000050200000000");
});

test("frame types are distinct bytes", () => {
  const types = Object.values(Frame);
  assert.deepEqual(
    [...new Set(types)].sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
});

const frame = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  call: fc.integer({ min: 0, max: 0xffffffff }),
  payload: fc.uint8Array({ maxLength: 60 }),
});

test("FrameReader returns the encoded frames for any chunking", () => {
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 6 }),
      fc.infiniteStream(fc.integer({ min: 0, max: 20 })),
      (frames, sizes) => {
        const bytes = Buffer.concat(
          frames.map(({ type, call, payload }) => encodeFrame(type, call, payload)),
        );
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; ) {
          const size = sizes.next().value;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        const expected = frames.map(({ type, call, payload }) => ({
          type,
          call,
          payload: Buffer.from(payload).toString("hex"),
        }));
        assert.deepEqual(read(chunks), expected);
      },
    ),
  );
});

test("FrameReader returns the same frames byte by byte", () => {
  const bytes = Buffer.concat([encodeFrame(4, 1, Uint8Array.of(1, 2)), encodeFrame(5, 2)]);
  assert.deepEqual(read([...bytes].map((byte) => Uint8Array.of(byte))), [
    { type: 4, call: 1, payload: "0102" },
    { type: 5, call: 2, payload: "" },
  ]);
});

test("FrameReader waits for a frame's last byte", () => {
  assert.deepEqual(read([encodeFrame(4, 1, Uint8Array.of(1, 2)).subarray(0, -1)]), []);
});

test("FrameReader accepts a payload of the largest size", () => {
  assert.equal(read([encodeFrame(4, 1, new Uint8Array(MAX))])[0]?.payload.length, 2 * MAX);
});

for (const length of [0, 1, 4]) {
  test(`FrameReader refuses a length of ${length}`, () => {
    const bytes = Buffer.alloc(9);
    bytes.writeUInt32BE(length);
    assert.throws(() => read([bytes]), {
      name: "RangeError",
      message: `the length is ${length} bytes, 5 to 1005 are allowed`,
    });
  });
}

for (const length of [1010, 0x7fffffff, 0xffffffff]) {
  test(`FrameReader refuses a length of ${length} before the rest of the frame arrives`, () => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    assert.throws(() => read([bytes]), {
      name: "RangeError",
      message: `the length is ${length} bytes, 5 to 1005 are allowed`,
    });
  });
}

test("FrameReader refuses a bad length after a good frame, and returns the good one", () => {
  const types: number[] = [];
  const reader = new FrameReader(MAX, (type) => types.push(type));
  assert.throws(() => reader.push(Buffer.concat([encodeFrame(4, 1), Buffer.alloc(4)])), RangeError);
  assert.deepEqual(types, [4]);
});

test("FrameReader of arbitrary bytes throws nothing but a RangeError", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 })), (chunks) => {
      try {
        read(chunks);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
  );
});

test("FrameReader reads nothing after a bad length", () => {
  const types: number[] = [];
  const reader = new FrameReader(MAX, (type) => types.push(type));
  assert.throws(() => reader.push(Buffer.alloc(4)), RangeError);
  reader.push(encodeFrame(4, 1));
  assert.deepEqual(types, []);
});

test("FrameReader copies each byte of a large frame in small chunks once", (t) => {
  const size = 4 << 20;
  const bytes = encodeFrame(1, 0, new Uint8Array(size).fill(7), Uint8Array.of(8));
  let copied = 0;
  const { concat } = Buffer;
  const { copy, set } = Buffer.prototype;
  t.mock.method(Buffer, "concat", (parts: readonly Uint8Array[]) => {
    const whole = concat(parts);
    copied += whole.length;
    return whole;
  });
  t.mock.method(Buffer.prototype, "copy", function (this: Buffer, ...args: Parameters<typeof copy>) {
    const count = copy.apply(this, args);
    copied += count;
    return count;
  });
  t.mock.method(Buffer.prototype, "set", function (this: Buffer, from: ArrayLike<number>, at?: number) {
    copied += from.length;
    set.call(this, from, at);
  });
  let last: number | undefined;
  const reader = new FrameReader(size + 1, (_type, _call, payload) => {
    last = payload.at(-1);
  });
  for (let at = 0; at < bytes.length; at += 1000) reader.push(bytes.subarray(at, at + 1000));
  assert.equal(last, 8);
  // The first four bytes are copied twice: the length is needed before the buffer for the frame.
  assert.equal(copied, bytes.length + 4);
});

test("FrameReader copies nothing of frames within one chunk", () => {
  const two = [encodeFrame(4, 1, Uint8Array.of(1)), encodeFrame(4, 2, Uint8Array.of(2))];
  // A separate ArrayBuffer: a copy from Node's pool cannot have the same one.
  const chunk = Buffer.from(new Uint8Array(two.flatMap((frame) => [...frame])).buffer);
  const payloads: Buffer[] = [];
  const reader = new FrameReader(MAX, (_type, _call, payload) => payloads.push(payload));
  reader.push(chunk);
  assert.deepEqual(
    payloads.map(({ buffer }) => buffer === chunk.buffer),
    [true, true],
  );
});

/** A stream that records each write. */
function recorder() {
  const writes: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk.toString("hex"));
      done();
    },
  });
  return { writes, stream };
}

test("FrameWriter sends the frames of one turn in one write, in order", async () => {
  const { writes, stream } = recorder();
  const writer = new FrameWriter(stream);
  writer.send(4, 1, Uint8Array.of(7));
  writer.send(5, 2);
  await immediate();
  assert.deepEqual(writes, ["00000006040000000107" + "000000050500000002"]);
});

test("FrameWriter sends the frames of another turn in another write", async () => {
  const { writes, stream } = recorder();
  const writer = new FrameWriter(stream);
  writer.send(4, 1);
  await immediate();
  writer.send(5, 2);
  await immediate();
  assert.deepEqual(writes, ["000000050400000001", "000000050500000002"]);
});

test("FrameWriter sends nothing to a stream that ended", async () => {
  const { writes, stream } = recorder();
  stream.end();
  new FrameWriter(stream).send(4, 1);
  await immediate();
  assert.deepEqual(writes, []);
});

test("the wire has the same RPCs as the host", () => assert.deepEqual(RPCS, hostCall.RPCS));
