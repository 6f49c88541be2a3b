import assert from "node:assert/strict";
import { test } from "node:test";
import { messagesOf } from "../../test/support/failures.ts";
import { checkDecryptReply, checkEncryptReply, checkStatusReply, equalBytes } from "./check-reply.ts";
import type { KeyVersions, Sealed, UnusableVersions } from "./provider.ts";

const PLAINTEXT = Uint8Array.from({ length: 32 }, (_, i) => i + 100);

function older(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `old-${i}`);
}

const text = (length: number) => new Uint8Array(length).fill(0x61);
function withUnusable(...groups: Partial<UnusableVersions>[]): KeyVersions {
  const group = { reason: "version 1 is disabled", remedy: "enable it", ciphertextPrefixes: [text(1)] };
  return { version: "2", olderVersions: [], unusable: groups.map((changes) => ({ ...group, ...changes })) };
}
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

const GOOD_STATUS: [string, KeyVersions][] = [
  ["a version of 1 byte", { version: "1", olderVersions: [] }],
  ["a version of 128 bytes", { version: "v".repeat(128), olderVersions: [] }],
  ["an older version of 128 bytes", { version: "1", olderVersions: ["~".repeat(128)] }],
  ["256 older versions", { version: "1", olderVersions: older(256) }],
  ["8 groups of unusable versions", withUnusable(...times(8, {}))],
  [
    "256 ciphertext prefixes of 64 bytes",
    withUnusable(...times(8, { ciphertextPrefixes: times(32, text(64)) })),
  ],
  ["a reason of 512 characters", withUnusable({ reason: "r".repeat(512) })],
];
for (const [what, reply] of GOOD_STATUS) {
  test(`checkStatusReply accepts ${what}`, () => assert.equal(checkStatusReply("p", reply), undefined));
}

const BAD_STATUS: [string, KeyVersions][] = [
  ["an empty version", { version: "", olderVersions: [] }],
  ["an empty older version", { version: "2", olderVersions: ["1", ""] }],
  ["a version of 129 bytes", { version: "v".repeat(129), olderVersions: [] }],
  ["a version of 130 bytes in 65 characters", { version: "é".repeat(65), olderVersions: [] }],
  ["a version with a space", { version: "v 1", olderVersions: [] }],
  ["a version with a line end", { version: "1", olderVersions: ["v1\nok"] }],
  ["a version in other letters", { version: "é", olderVersions: [] }],
  ["an older version of 129 bytes", { version: "2", olderVersions: ["v".repeat(129)] }],
  ["257 older versions", { version: "1", olderVersions: older(257) }],
  ["the version among the older ones", { version: "2", olderVersions: ["1", "2"] }],
  ["a duplicate older version", { version: "3", olderVersions: ["1", "1"] }],
  ["9 groups of unusable versions", withUnusable(...times(9, {}))],
  ["257 ciphertext prefixes", withUnusable({ ciphertextPrefixes: times(256, text(1)) }, {})],
  ["an empty ciphertext prefix", withUnusable({ ciphertextPrefixes: [text(0)] })],
  ["a ciphertext prefix of 65 bytes", withUnusable({ ciphertextPrefixes: [text(65)] })],
  ["an empty reason", withUnusable({ reason: "" })],
  ["a remedy of 513 characters", withUnusable({ remedy: "r".repeat(513) })],
  ["a remedy with a line end", withUnusable({ remedy: "a\nok   everything" })],
];
for (const [what, reply] of BAD_STATUS) {
  test(`checkStatusReply refuses ${what}`, () => {
    assert.throws(() => checkStatusReply("vault", reply), { code: "provider-fault" });
  });
}

test("checkStatusReply names the fault of the reply", async (t) => {
  const cases = BAD_STATUS.map(([what, reply]) => [what, () => checkStatusReply("vault", reply)] as const);
  t.assert.snapshot(await messagesOf(cases));
});

function sealed(ciphertext: Uint8Array, ...values: Uint8Array[]): Sealed {
  return { ciphertext, annotations: values.map((value, i) => ({ name: `a${i}.example`, value })) };
}

const GOOD_ENCRYPT: [string, Uint8Array, Sealed][] = [
  ["a ciphertext of 1 byte", PLAINTEXT, sealed(new Uint8Array(1))],
  ["a ciphertext of 1023 bytes", PLAINTEXT, sealed(new Uint8Array(1023))],
  ["31 of the plaintext's 32 bytes", PLAINTEXT, sealed(PLAINTEXT.slice(1))],
  ["a plaintext of 7 bytes that occurs by chance", PLAINTEXT.slice(0, 7), sealed(PLAINTEXT)],
];
for (const [what, plaintext, reply] of GOOD_ENCRYPT) {
  test(`checkEncryptReply accepts ${what}`, () =>
    assert.equal(checkEncryptReply("p", plaintext, reply), undefined));
}

const around = (bytes: Uint8Array) => Uint8Array.of(1, 2, 3, ...bytes, 4);
const BAD_ENCRYPT: [string, Uint8Array, Sealed][] = [
  ["an empty ciphertext", PLAINTEXT, sealed(new Uint8Array())],
  ["a ciphertext of 1024 bytes", PLAINTEXT, sealed(new Uint8Array(1024))],
  [
    "an annotation's name of one label",
    PLAINTEXT,
    { ciphertext: Uint8Array.of(1), annotations: [{ name: "one", value: Uint8Array.of(1) }] },
  ],
  ["the plaintext as the ciphertext", PLAINTEXT, sealed(PLAINTEXT.slice())],
  ["the plaintext at the ciphertext's start", PLAINTEXT, sealed(Uint8Array.of(...PLAINTEXT, 9))],
  ["the plaintext at the ciphertext's end", PLAINTEXT, sealed(Uint8Array.of(9, ...PLAINTEXT))],
  ["the plaintext within the ciphertext", PLAINTEXT, sealed(around(PLAINTEXT))],
  ["a plaintext of 8 bytes in the ciphertext", PLAINTEXT.slice(0, 8), sealed(PLAINTEXT.slice())],
  ["the plaintext within an annotation", PLAINTEXT, sealed(Uint8Array.of(1), one(), around(PLAINTEXT))],
];
for (const [what, plaintext, reply] of BAD_ENCRYPT) {
  test(`checkEncryptReply refuses ${what}`, () => {
    assert.throws(() => checkEncryptReply("vault", plaintext, reply), { code: "provider-fault" });
  });
}

test("checkEncryptReply names the fault of the reply", async (t) => {
  const cases = BAD_ENCRYPT.map(
    ([what, plaintext, reply]) => [what, () => checkEncryptReply("vault", plaintext, reply)] as const,
  );
  t.assert.snapshot(await messagesOf(cases));
});

for (const length of [1, 512]) {
  test(`checkDecryptReply accepts a plaintext of ${length} bytes`, () => {
    assert.equal(checkDecryptReply("p", new Uint8Array(length)), undefined);
  });
}

const BAD_DECRYPT = [0, 513];
for (const length of BAD_DECRYPT) {
  test(`checkDecryptReply refuses a plaintext of ${length} bytes`, () => {
    assert.throws(() => checkDecryptReply("vault", new Uint8Array(length)), { code: "provider-fault" });
  });
}

test("checkDecryptReply names the fault of the reply", async (t) => {
  const cases = BAD_DECRYPT.map(
    (length) => [`${length} bytes`, () => checkDecryptReply("vault", new Uint8Array(length))] as const,
  );
  t.assert.snapshot(await messagesOf(cases));
});

const PAIRS: [string, number[], number[], boolean][] = [
  ["two empty arrays", [], [], true],
  ["the same bytes", [1, 2, 3], [1, 2, 3], true],
  ["a differing first byte", [0, 2, 3], [1, 2, 3], false],
  ["a differing last byte", [1, 2, 3], [1, 2, 4], false],
  ["differences that cancel out under xor", [1, 1], [2, 2], false],
  ["a prefix", [1, 2], [1, 2, 0], false],
];
for (const [what, a, b, equal] of PAIRS) {
  test(`equalBytes returns ${equal} for ${what}`, () => {
    assert.equal(equalBytes(Uint8Array.from(a), Uint8Array.from(b)), equal);
  });
}

function one(): Uint8Array {
  return Uint8Array.of(1);
}

test("equalBytes returns false for other bytes and other lengths", () => {
  assert.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
  assert.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
  assert.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
  assert.equal(equalBytes(Uint8Array.of(), Uint8Array.of(0)), false);
});
