import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { CryptoHkdfRequestSchema, HostReplySchema } from "../../../proto/provider/v1/provider_pb.ts";
import { messagesOf } from "../../../test/support/failures.ts";
import { bytesField, decode, encodeReply, numberField, textField } from "./codec.mjs";

const hkdf = fc.record({
  algorithm: fc.string({ unit: "binary" }),
  key: fc.uint8Array({ maxLength: 300 }),
  salt: fc.uint8Array(),
  info: fc.uint8Array(),
  length: fc.integer({ min: 0, max: 0xffffffff }),
});

/** The fields of a CryptoHkdfRequest as the guest's codec reads them. */
function readHkdf(bytes: Uint8Array) {
  const fields = decode(bytes);
  return {
    algorithm: textField(fields, 1),
    key: Buffer.from(bytesField(fields, 2)),
    salt: Buffer.from(bytesField(fields, 3)),
    info: Buffer.from(bytesField(fields, 4)),
    length: numberField(fields, 5),
  };
}

/** The same fields as the library reads them. */
function oracle(bytes: Uint8Array) {
  const { algorithm, key, salt, info, length } = fromBinary(CryptoHkdfRequestSchema, bytes);
  return { algorithm, key: Buffer.from(key), salt: Buffer.from(salt), info: Buffer.from(info), length };
}

function encodeHkdf(message: { algorithm: string; key: Uint8Array; length: number }): Uint8Array {
  return toBinary(CryptoHkdfRequestSchema, create(CryptoHkdfRequestSchema, message));
}

test("decode reads messages of the library", () => {
  fc.assert(
    fc.property(hkdf, (message) => {
      const bytes = encodeHkdf(message);
      assert.deepEqual(readHkdf(bytes), oracle(bytes));
    }),
  );
});

test("decode returns the last of a repeated field, as the library does", () => {
  fc.assert(
    fc.property(hkdf, hkdf, (first, second) => {
      const bytes = Buffer.concat([encodeHkdf(first), encodeHkdf(second)]);
      assert.deepEqual(readHkdf(bytes), oracle(bytes));
    }),
  );
});

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
}

const unknownField = fc
  .tuple(fc.integer({ min: 6, max: 0x1fffffff }), fc.oneof(fc.uint8Array(), fc.nat()))
  .map(([number, value]) =>
    typeof value === "number"
      ? [...varint(number * 8), ...varint(value)]
      : [...varint(number * 8 + 2), ...varint(value.length), ...value],
  );

test("decode ignores unknown fields", () => {
  fc.assert(
    fc.property(hkdf, fc.array(unknownField), (message, unknown) => {
      const bytes = Uint8Array.from([...encodeHkdf(message), ...unknown.flat()]);
      assert.deepEqual(readHkdf(bytes), oracle(encodeHkdf(message)));
    }),
  );
});

test("decode of arbitrary bytes throws nothing but a RangeError", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test("decode of a truncated message never returns the complete message", () => {
  const bytes = encodeHkdf({ algorithm: "sha256", key: new Uint8Array(200), length: 42 });
  for (let length = 0; length < bytes.length; length++) {
    try {
      assert.notDeepEqual(readHkdf(bytes.subarray(0, length)), readHkdf(bytes));
    } catch (error) {
      assert.equal((error as Error).message, "the message is truncated");
    }
  }
});

const REFUSED: [string, number[]][] = [
  ["a truncated key", [0x80]],
  ["a missing number", [0x08]],
  ["a length over the rest of the message", [0x12, 2, 0]],
  ["a length of 4 GiB", [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ["a number of eleven bytes", [0x08, ...Array(10).fill(0x80), 1]],
  ["field 0", [0x02, 1, 0]],
  ["a field over 29 bits", [0x82, 0x80, 0x80, 0x80, 0x10, 1, 0]],
  ["a 64-bit field", [0x09, 0, 0, 0, 0, 0, 0, 0, 0]],
  ["a group", [0x0b, 0x0c]],
  ["a group's end", [0x0c]],
  ["a 32-bit field", [0x0d, 0, 0, 0, 0]],
  ["wire type 7", [0x0f]],
];
for (const [what, bytes] of REFUSED) {
  test(`decode refuses ${what}`, () => {
    assert.throws(() => decode(Uint8Array.from(bytes)), { name: "RangeError" });
  });
}

test("decode names the fault of the message", async (t) => {
  const cases = REFUSED.map(([what, bytes]) => [what, () => decode(Uint8Array.from(bytes))] as const);
  t.assert.snapshot(await messagesOf(cases));
});

test("an absent field has its default", () => {
  const fields = decode(new Uint8Array());
  assert.deepEqual(
    [numberField(fields, 1), textField(fields, 1), bytesField(fields, 1)],
    [0, "", new Uint8Array()],
  );
});

test("numberField refuses bytes", () => {
  assert.throws(() => numberField(decode(Uint8Array.of(0x0a, 0)), 1), {
    name: "RangeError",
    message: "field 1 must be a number",
  });
});

test("bytesField refuses a number", () => {
  assert.throws(() => bytesField(decode(Uint8Array.of(0x08, 0)), 1), {
    name: "RangeError",
    message: "field 1 must be bytes",
  });
});

test("textField refuses invalid UTF-8", () => {
  assert.throws(() => textField(decode(Uint8Array.of(0x0a, 1, 0xff)), 1), { name: "TypeError" });
});

test("encodeReply gives the same bytes as the library", () => {
  const reply = fc.record({
    code: fc.integer({ min: 0, max: 127 }),
    message: fc.string({ maxLength: 300, size: "max" }),
    body: fc.uint8Array({ maxLength: 300, size: "max" }),
  });
  fc.assert(
    fc.property(reply, ({ code, message, body }) => {
      const bytes = encodeReply(code, message, body);
      const expected = toBinary(HostReplySchema, create(HostReplySchema, { code, message, body }));
      assert.deepEqual(Buffer.from(bytes), Buffer.from(expected));
    }),
  );
});

for (const length of [127, 128, 16_383, 16_384, 65_536]) {
  test(`the library reads a reply with a body of ${length} bytes`, () => {
    const { body } = fromBinary(HostReplySchema, encodeReply(0, "", new Uint8Array(length).fill(7)));
    assert.deepEqual([body.length, body[length - 1]], [length, 7]);
  });
}

test("encodeReply encodes each length in its shortest form, as the library does", () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 65_536]) {
    const body = new Uint8Array(length).fill(7);
    const expected = toBinary(HostReplySchema, create(HostReplySchema, { code: 3, message: "m", body }));
    assert.deepEqual(Buffer.from(encodeReply(3, "m", body)), Buffer.from(expected), `${length} bytes`);
  }
});

test("decode reads lengths and numbers at byte boundaries as the library does", () => {
  for (const length of [0, 126, 127, 128, 16_383, 16_384]) {
    const key = new Uint8Array(length % 300).fill(7);
    const message = create(CryptoHkdfRequestSchema, { algorithm: "sha256", key, length });
    const fields = readHkdf(toBinary(CryptoHkdfRequestSchema, message));
    assert.deepEqual([fields.length, fields.key], [length, Buffer.from(key)]);
  }
});
