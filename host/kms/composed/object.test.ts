import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertFailure } from "../../../test/support/failures.ts";
import type { KeyId } from "../key-id.ts";
import { Malformed } from "./bytes.ts";
import { composedVersion, decodeCiphertext, encodeCiphertext, type Header } from "./header.ts";
import { annotationsOf, decodeWrap, encodeWrap, wrapsIn } from "./wrap.ts";

const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((each) => Uint8Array.from(each));
const keyId = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((digest) => `k1.${Buffer.from(digest).toString("base64url")}` as KeyId);
const keyIds = fc.uniqueArray(keyId, { minLength: 2, maxLength: 4 }).map((ids) => ids.toSorted());
const PLAIN = { noNullPrototype: true } as const;
const mode = fc.constantFrom("anyOf" as const, "allOf" as const);
const header: fc.Arbitrary<Header> = fc.record({ mode, keyIds }, PLAIN);
const ciphertext = fc.record({ header, nonce: bytes(12, 12), sealed: bytes(17, 528) }, PLAIN);
const name = fc.stringMatching(/^[a-z][a-z0-9]{0,20}\.example\.com$/);
const annotation = fc.record({ name, value: bytes(0, 300) }, PLAIN);
const annotations = fc.uniqueArray(annotation, { maxLength: 5, selector: (each) => each.name });
const wrap = fc.record({ ciphertext: bytes(1, 1023), annotations }, PLAIN);

/** The value, or undefined if the bytes are refused. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    assert.ok(error instanceof Malformed, String(error));
    return undefined;
  }
}

test("a ciphertext is decoded to what was encoded", () => {
  fc.assert(
    fc.property(ciphertext, (each) => assert.deepEqual(decodeCiphertext(encodeCiphertext(each)), each)),
  );
});

test("any bytes are refused, or are the only encoding of what they are decoded to", () => {
  const changed = fc.tuple(ciphertext, fc.nat(800), fc.nat(255)).map(([each, at, byte]) => {
    const encoded = encodeCiphertext(each);
    encoded[at % encoded.length] = byte;
    return encoded;
  });
  fc.assert(
    fc.property(fc.oneof(bytes(0, 300), changed), (input) => {
      const decoded = attempt(() => decodeCiphertext(input));
      if (decoded !== undefined) assert.deepEqual(encodeCiphertext(decoded), input);
    }),
    { numRuns: 2_000 },
  );
});

test("a wrap is decoded to what was encoded, and no byte may follow it or be missing", () => {
  fc.assert(
    fc.property(wrap, fc.nat(), (each, cut) => {
      const encoded = encodeWrap(each);
      assert.deepEqual(decodeWrap(encoded), each);
      assert.equal(
        attempt(() => decodeWrap(encoded.slice(0, cut % encoded.length))),
        undefined,
      );
      assert.equal(
        attempt(() => decodeWrap(Uint8Array.of(...encoded, 0))),
        undefined,
      );
    }),
  );
});

test("any bytes are refused as a wrap, or are the only encoding of it", () => {
  fc.assert(
    fc.property(fc.oneof(bytes(0, 100), wrap.map(encodeWrap)), fc.nat(), fc.nat(255), (input, at, byte) => {
      const changed = Uint8Array.from(input);
      if (changed.length > 0) changed[at % changed.length] = byte;
      const decoded = attempt(() => decodeWrap(changed));
      if (decoded !== undefined) assert.deepEqual(encodeWrap(decoded), changed);
    }),
    { numRuns: 2_000 },
  );
});

test("different modes, members and orders of members have different versions", async () => {
  const [a, b, c] = ["k1.a", "k1.b", "k1.c"] as KeyId[] as [KeyId, KeyId, KeyId];
  const headers: Header[] = [
    { mode: "anyOf", keyIds: [a, b] },
    { mode: "allOf", keyIds: [a, b] },
    { mode: "anyOf", keyIds: [a, b, c] },
    { mode: "anyOf", keyIds: [a] },
    { mode: "anyOf", keyIds: [b] },
  ];
  const versions = await Promise.all(headers.map(composedVersion));
  assert.equal(new Set(versions).size, headers.length);
  for (const version of versions) assert.match(version, /^(anyOf|allOf)\.[A-Za-z0-9_-]{43}$/);
});

const CONTENT = { nonce: new Uint8Array(12), sealed: new Uint8Array(48) };

test("each fault of a header is refused", () => {
  const ids = ["k1.a", "k1.b"] as KeyId[];
  const good = encodeCiphertext({ header: { mode: "allOf", keyIds: ids }, ...CONTENT });
  assert.ok(attempt(() => decodeCiphertext(good)));
  const faults: [string, (bytes: Uint8Array) => Uint8Array][] = [
    ["another layout", (all) => all.with(0, 2)],
    ["another mode", (all) => all.with(1, 3)],
    ["no wraps", (all) => all.with(2, 0)],
    ["one wrap of allOf", (all) => all.with(2, 1)],
    ["five wraps", (all) => all.with(2, 5)],
    ["an empty key_id", (all) => all.with(3, 0)],
    ["a key_id with a control character", (all) => all.with(4, 10)],
    ["key_ids that are not ascending", (all) => all.with(7, 0x63)],
    ["a key_id twice", (all) => all.with(12, 0x61)],
    ["no sealed seed", (all) => all.slice(0, 13 + 12 + 16)],
    ["more than a ciphertext may have", (all) => Uint8Array.of(...all, ...new Uint8Array(1_000))],
  ];
  for (const [name, change] of faults)
    assert.equal(
      attempt(() => decodeCiphertext(change(good))),
      undefined,
      name,
    );
});

test("annotations as large as the API server allows are accepted, and one byte more is refused", async (t) => {
  // Names and values besides the wraps' own bytes.
  const overhead = "format.kleidi.dev".length + 1 + 2 * "wrap-1.kleidi.dev".length;
  const largest = [new Uint8Array(100), new Uint8Array(32_767 - overhead - 100)];
  const size = Object.entries(annotationsOf(largest)).reduce(
    (sum, [name, { length }]) => sum + name.length + length,
    0,
  );
  assert.equal(size, 32_767);
  await assertFailure(t, "provider-fault", () => annotationsOf([...largest, new Uint8Array()]));
});

test("the wraps are found by the order of the header; one that is missing is undefined", () => {
  const all = annotationsOf([Uint8Array.of(1), Uint8Array.of(2)]);
  assert.deepEqual(wrapsIn(all, 2), [Uint8Array.of(1), Uint8Array.of(2)]);
  const { "wrap-1.kleidi.dev": _, ...rest } = all;
  assert.deepEqual(wrapsIn(rest, 2), [undefined, Uint8Array.of(2)]);
});
