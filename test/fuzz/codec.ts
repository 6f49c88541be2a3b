/** Messages of a guest's host calls: the codec of the provider's process, compared with the library's. */
import assert from "node:assert/strict";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { bytesField, decode, encodeReply, numberField, textField } from "../../host/sandbox/guest/codec.mjs";
import { CryptoHkdfRequestSchema, HostReplySchema } from "../../proto/provider/v1/provider_pb.ts";
import { mutated } from "./bytes.ts";
import type { Target } from "./target.ts";

const message = fc
  .record({
    algorithm: fc.string({ unit: "binary", maxLength: 20 }),
    key: fc.uint8Array({ maxLength: 200 }),
    salt: fc.uint8Array({ maxLength: 40 }),
    info: fc.uint8Array({ maxLength: 40 }),
    length: fc.integer({ min: 0, max: 0xffff_ffff }),
  })
  .map((fields) => toBinary(CryptoHkdfRequestSchema, create(CryptoHkdfRequestSchema, fields)));

function ours(bytes: Uint8Array) {
  const fields = decode(bytes);
  const [key, salt, info] = [2, 3, 4].map((number) =>
    Buffer.from(bytesField(fields, number)).toString("hex"),
  );
  return { algorithm: textField(fields, 1), key, salt, info, length: numberField(fields, 5) };
}

function theirs(bytes: Uint8Array) {
  const { algorithm, length, ...rest } = fromBinary(CryptoHkdfRequestSchema, bytes);
  const [key, salt, info] = [rest.key, rest.salt, rest.info].map((part) => Buffer.from(part).toString("hex"));
  return { algorithm, key, salt, info, length };
}

/** Whether a message that the codec read repeats a field, and whether with different wire types. */
function repetition(bytes: Uint8Array): { repeated: boolean; mixed: boolean } {
  const keys: number[] = [];
  const numbers: number[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    keys.push(key);
    numbers.push(Math.floor(key / 8));
    const value = varint();
    if (key % 8 === 2) at += value;
  }
  const mixed = new Set(keys).size > new Set(numbers).size;
  return { repeated: new Set(numbers).size < numbers.length, mixed };
}

/** The result, or undefined where the function throws a permitted error. */
function attempt<T>(work: () => T, ...allowed: (new (...args: never[]) => Error)[]): T | undefined {
  try {
    return work();
  } catch (error) {
    assert.ok(allowed.length === 0 || allowed.some((type) => error instanceof type), String(error));
    return undefined;
  }
}

export const codec: Target = {
  name: "codec",
  open: async (seen) => ({
    properties: [
      {
        name: "the library decodes each message that the codec decodes, with the same result",
        cases: 3000,
        reaches: ["both read it", "both refuse it"],
        property: fc.property(mutated(message, 4), (bytes) => {
          const mine = attempt(() => ours(bytes), RangeError, TypeError);
          const library = attempt(() => theirs(bytes));
          // The codec is stricter: fixed-width fields and groups are not part of this contract.
          if (mine === undefined) {
            seen(library === undefined ? "both refuse it" : "only the codec refuses it");
            return;
          }
          // The codec uses only the last of repeated fields, the library each.
          if (library === undefined) {
            assert.ok(repetition(bytes).repeated, "the library refuses it, although no field is repeated");
            seen("only the library refuses it");
            return;
          }
          // The library ignores the wire type of a known field, and then misreads what follows.
          if (repetition(bytes).mixed) return;
          // The library cuts a number over its type's range; only its low 32 bits can be compared.
          assert.deepEqual({ ...mine, length: 0 }, { ...library, length: 0 });
          if (mine.length <= 0xffff_ffff) assert.equal(mine.length, library.length);
          seen("both read it");
        }),
      },
      {
        name: "a reply is encoded as the library encodes it",
        cases: 500,
        reaches: ["written"],
        property: fc.property(
          fc.integer({ min: 0, max: 127 }),
          fc.string({ unit: "binary", maxLength: 300 }),
          fc.uint8Array({ maxLength: 300 }),
          (code, message, body) => {
            const expected = toBinary(HostReplySchema, create(HostReplySchema, { code, message, body }));
            assert.deepEqual(Buffer.from(encodeReply(code, message, body)), Buffer.from(expected));
            seen("written");
          },
        ),
      },
    ],
  }),
};
