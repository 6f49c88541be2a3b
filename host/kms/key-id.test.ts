import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { messagesOf } from "../../test/support/failures.ts";
import { associatedData, deriveKeyId, isDerivable, parseKeyId } from "./key-id.ts";

const ACCEPTED = [
  ["1 byte", "a"],
  ["1023 bytes", "a".repeat(1023)],
  ["1023 bytes of two-byte characters", `${"é".repeat(511)}a`],
  ["1023 bytes of three-byte characters", "€".repeat(341)],
] as const;

for (const [what, text] of ACCEPTED) {
  test(`parseKeyId accepts ${what}`, () => assert.equal(parseKeyId(text), text));
}

const REFUSED = [
  ["an empty key_id", ""],
  ["1024 bytes", "a".repeat(1024)],
  ["1024 bytes in 512 characters", "é".repeat(512)],
  ["1024 bytes in 256 characters", "🔑".repeat(256)],
] as const;

for (const [what, text] of REFUSED) {
  test(`parseKeyId refuses ${what}`, () => {
    assert.throws(() => parseKeyId(text), { code: "request-invalid" });
  });
}

test("parseKeyId names the length", async (t) => {
  t.assert.snapshot(await messagesOf(REFUSED.map(([what, text]) => [what, () => parseKeyId(text)] as const)));
});

// Computed by an independent program from docs/ABI.md, section 7.
const VECTORS = [
  ["main", "0123456789abcdef0123456789abcdef", "k1.ySq0h-vGXhfJDOaffhtmNRo8lOdGtrTKtgTnJQdGIP8"],
  ["a", "1", "k1.CYOBsC7GZNTxtwQ6jFL0PSaqmPA9G7NENCUCGzsbrFU"],
  ["clé", "v/1", "k1.VuN2Gg4fKlHGa9dNMFXuAUCOnRSJOCzNgraRFtBCfVc"],
] as const;

for (const [key, version, expected] of VECTORS) {
  test(`deriveKeyId of key "${key}" version "${version}" is ${expected}`, async () => {
    assert.equal(await deriveKeyId(key, version), expected);
  });
}

test("deriveKeyId returns 46 URL-safe characters", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.string(), async (key, version) => {
      assert.match(await deriveKeyId(key, version), /^k1\.[A-Za-z0-9_-]{43}$/);
    }),
  );
});

test("deriveKeyId returns the SHA-256 that docs/ABI.md describes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), async (key, version) => {
      const digest = createHash("sha256")
        .update("kleidi key_id 1\0")
        .update(sized(key))
        .update(sized(version))
        .digest("base64url");
      assert.equal(await deriveKeyId(key, version), `k1.${digest}`);
    }),
  );
});

test("deriveKeyId differs for every split of the same text into name and version", async () => {
  const text = "abab\0abab";
  const ids = await Promise.all(
    Array.from({ length: text.length + 1 }, (_, at) => deriveKeyId(text.slice(0, at), text.slice(at))),
  );
  assert.equal(new Set(ids).size, text.length + 1);
});

test("deriveKeyId differs when the length bytes are a part of the name", async () => {
  assert.notEqual(await deriveKeyId("a", "b"), await deriveKeyId("a\0\u0001b", ""));
});

test("associatedData returns the label, then provider and key_id, each after its length", () => {
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 1, maxLength: 100 }), (provider, id) => {
      const expected = Buffer.concat([Buffer.from("kleidi 1\0"), sized(provider), sized(id)]);
      assert.deepEqual(Buffer.from(associatedData(provider, parseKeyId(id))), expected);
    }),
  );
});

test("associatedData matches the test vector of provider vault and key_id k1.x", () => {
  assert.equal(
    Buffer.from(associatedData("vault", parseKeyId("k1.x"))).toString("hex"),
    "6b6c6569646920310000057661756c7400046b312e78",
  );
});

test("associatedData encodes a length over 255 in two bytes", () => {
  const bytes = associatedData("p", parseKeyId("x".repeat(258)));
  assert.deepEqual([...bytes.subarray(12, 14)], [1, 2]);
});

function sized(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length % 256]), bytes]);
}

test("isDerivable is true for what deriveKeyId returns, and false for another form", async () => {
  const keyId = await deriveKeyId("a", "1");
  assert.equal(isDerivable(keyId), true);
  for (const other of ["k1.x", `${keyId}A`, `k2${keyId.slice(2)}`, `${keyId.slice(0, -1)}=`, `x${keyId}`])
    assert.equal(isDerivable(parseKeyId(other)), false, other);
});
