/** Frames of an untrusted peer: the reader of host/sandbox/wire.mjs. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FrameReader } from "../../host/sandbox/wire.mjs";
import { mutated } from "./bytes.ts";
import type { Target } from "./target.ts";

const MAX = 3000;
const HEADER = 9;

const stream = fc
  .array(
    fc.record({
      type: fc.integer({ min: 0, max: 255 }),
      call: fc.integer({ min: 0, max: 0xffff_ffff }),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.integer({ min: 0, max: MAX }).map((length) => new Uint8Array(length).fill(length)),
      ),
    }),
    { maxLength: 12 },
  )
  .map((frames) => Buffer.concat(frames.map(({ type, call, payload }) => encodeFrame(type, call, payload))));
/** Sizes of chunks, used cyclically. */
const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 5000 })), {
  minLength: 1,
  maxLength: 6,
});

interface Read {
  readonly frames: readonly string[];
  readonly refused: boolean;
}

/** The format described at the head of wire.mjs, applied to all bytes at once. */
function oracle(bytes: Buffer): Read {
  const frames: string[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    if (length < 5 || length > MAX + 5) return { frames, refused: true };
    if (at + 4 + length > bytes.length) break;
    frames.push(bytes.toString("hex", at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { frames, refused: false };
}

function read(bytes: Buffer, sizes: readonly number[]): Read {
  const frames: string[] = [];
  const reader = new FrameReader(MAX, (type, call, payload) => {
    assert.ok(payload.length <= MAX);
    frames.push(encodeFrame(type, call, payload).toString("hex", 4));
  });
  let refused = false;
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    try {
      reader.push(bytes.subarray(at, at + size));
    } catch (error) {
      assert.ok(error instanceof RangeError && !refused, String(error));
      refused = true;
    }
    at += size;
  }
  return { frames, refused };
}

export const wire: Target = {
  name: "wire",
  open: async (seen) => ({
    properties: [
      {
        name: "a stream gives the same frames or the same refusal for any division into chunks",
        cases: 1500,
        reaches: ["complete", "refused at once", "refused after frames", "rest"],
        property: fc.property(fc.oneof(stream, mutated(stream, 3)), cuts, (changed, sizes) => {
          const bytes = Buffer.from(changed);
          const expected = oracle(bytes);
          assert.deepEqual(read(bytes, sizes), expected);
          const inFrames = expected.frames.reduce((sum, hex) => sum + hex.length / 2 + HEADER - 5, 0);
          if (expected.refused) seen(expected.frames.length > 0 ? "refused after frames" : "refused at once");
          else seen(inFrames === bytes.length ? "complete" : "rest");
        }),
      },
      {
        name: "arbitrary bytes give frames within bounds or a RangeError",
        cases: 500,
        reaches: ["refused"],
        property: fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (changed, sizes) => {
          const bytes = Buffer.from(changed);
          const expected = oracle(bytes);
          assert.deepEqual(read(bytes, sizes), expected);
          seen(expected.refused ? "refused" : "rest");
        }),
      },
    ],
  }),
};
