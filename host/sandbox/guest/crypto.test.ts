import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  CryptoAeadRequestSchema,
  CryptoCfbRequestSchema,
  CryptoDigestRequestSchema,
  CryptoEcdhRequestSchema,
  CryptoHkdfRequestSchema,
  CryptoHmacRequestSchema,
  CryptoRandomRequestSchema,
} from "../../../proto/provider/v1/provider_pb.ts";
import { messagesOf } from "../../../test/support/failures.ts";
import { compute, NotAuthentic } from "./crypto.mjs";

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const ascii = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));

/** Runs an operation on a message that the library wrote; returns hexadecimal. */
function run<Desc extends DescMessage>(
  operation: string,
  schema: Desc,
  message: MessageInitShape<Desc>,
): string {
  const result = compute(operation, toBinary(schema, create(schema, message)));
  assert.ok(result);
  return Buffer.from(result).toString("hex");
}

// FIPS 180-4, the example "abc".
const DIGESTS: [string, string][] = [
  ["sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "sha384",
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
  ],
  [
    "sha512",
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  ],
];
for (const [algorithm, digest] of DIGESTS) {
  test(`digest ${algorithm} of abc matches FIPS 180-4`, () => {
    assert.equal(run("digest", CryptoDigestRequestSchema, { algorithm, data: ascii("abc") }), digest);
  });
}

// RFC 4231, test case 2.
const HMACS: [string, string][] = [
  ["sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"],
  [
    "sha384",
    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
  ],
  [
    "sha512",
    "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
  ],
];
for (const [algorithm, code] of HMACS) {
  test(`hmac ${algorithm} matches RFC 4231`, () => {
    const message = { algorithm, key: ascii("Jefe"), data: ascii("what do ya want for nothing?") };
    assert.equal(run("hmac", CryptoHmacRequestSchema, message), code);
  });
}

test("hkdf matches RFC 5869, test case 1", () => {
  const message = {
    algorithm: "sha256",
    key: new Uint8Array(22).fill(0x0b),
    salt: hex("000102030405060708090a0b0c"),
    info: hex("f0f1f2f3f4f5f6f7f8f9"),
    length: 42,
  };
  assert.equal(
    run("hkdf", CryptoHkdfRequestSchema, message),
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
});

test("hkdf without salt and info matches RFC 5869, test case 3", () => {
  const message = { algorithm: "sha256", key: new Uint8Array(22).fill(0x0b), length: 42 };
  assert.equal(
    run("hkdf", CryptoHkdfRequestSchema, message),
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  );
});

// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4 and 16.
const GCM = {
  nonce: hex("cafebabefacedbaddecaf888"),
  data: hex(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
  ),
  associatedData: hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
};
const GCM_CASES: [number, Uint8Array, string][] = [
  [
    128,
    hex("feffe9928665731c6d6a8f9467308308"),
    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
  ],
  [
    256,
    hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
  ],
];
for (const [bits, key, sealed] of GCM_CASES) {
  test(`aead_seal with ${bits} bits returns the published ciphertext and tag`, () => {
    assert.equal(run("aead_seal", CryptoAeadRequestSchema, { ...GCM, key }), sealed);
  });

  test(`aead_open with ${bits} bits returns the published plaintext`, () => {
    const message = { ...GCM, key, data: hex(sealed) };
    assert.equal(run("aead_open", CryptoAeadRequestSchema, message), Buffer.from(GCM.data).toString("hex"));
  });
}

test("aead_open returns the plaintext of aead_seal", () => {
  const bytes = fc.uint8Array();
  fc.assert(
    fc.property(bytes, bytes, (data, associatedData) => {
      const key = new Uint8Array(32).fill(1);
      const nonce = new Uint8Array(12);
      const sealed = run("aead_seal", CryptoAeadRequestSchema, { key, nonce, data, associatedData });
      const opened = run("aead_open", CryptoAeadRequestSchema, {
        key,
        nonce,
        data: hex(sealed),
        associatedData,
      });
      assert.equal(opened, Buffer.from(data).toString("hex"));
    }),
  );
});

const [, KEY_256, SEALED_256] = GCM_CASES[1] as [number, Uint8Array, string];
const OPEN = { ...GCM, key: KEY_256, data: hex(SEALED_256) };
const flipped = (bytes: Uint8Array, at: number) => bytes.with(at, (bytes[at] ?? 0) ^ 1);
const NOT_OPEN: [string, Partial<typeof OPEN>, string][] = [
  ["a changed ciphertext", { data: flipped(OPEN.data, 0) }, "the tag is wrong"],
  ["a changed tag", { data: flipped(OPEN.data, OPEN.data.length - 1) }, "the tag is wrong"],
  ["a truncated tag", { data: OPEN.data.slice(0, -1) }, "the tag is wrong"],
  ["other associated data", { associatedData: new Uint8Array() }, "the tag is wrong"],
  ["another nonce", { nonce: flipped(OPEN.nonce, 0) }, "the tag is wrong"],
  ["another key", { key: flipped(OPEN.key, 0) }, "the tag is wrong"],
  ["data of 15 bytes", { data: new Uint8Array(15) }, "the data is shorter than its tag"],
  ["data of a tag alone", { data: new Uint8Array(16) }, "the tag is wrong"],
];
for (const [what, change, message] of NOT_OPEN) {
  test(`aead_open refuses ${what}`, () => {
    assert.throws(
      () => run("aead_open", CryptoAeadRequestSchema, { ...OPEN, ...change }),
      (error) => error instanceof NotAuthentic && error.message === message,
    );
  });
}

// NIST SP 800-38A, F.3.13 to F.3.18.
const CFB = {
  iv: hex("000102030405060708090a0b0c0d0e0f"),
  data: hex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
  ),
};
const CFB_CASES: [number, Uint8Array, string][] = [
  [
    128,
    hex("2b7e151628aed2a6abf7158809cf4f3c"),
    "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
  ],
  [
    256,
    hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
    "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f975a385741ab9cef82031623d55b1e471",
  ],
];
for (const [bits, key, ciphertext] of CFB_CASES) {
  test(`aes_cfb_encrypt with ${bits} bits matches SP 800-38A`, () => {
    assert.equal(run("aes_cfb_encrypt", CryptoCfbRequestSchema, { ...CFB, key }), ciphertext);
  });

  test(`aes_cfb_decrypt with ${bits} bits matches SP 800-38A`, () => {
    const message = { ...CFB, key, data: hex(ciphertext) };
    assert.equal(
      run("aes_cfb_decrypt", CryptoCfbRequestSchema, message),
      Buffer.from(CFB.data).toString("hex"),
    );
  });
}

test("aes_cfb_encrypt returns as many bytes as it gets, also within a block", () => {
  const [, key, ciphertext] = CFB_CASES[0] as [number, Uint8Array, string];
  const message = { ...CFB, key, data: CFB.data.slice(0, 21) };
  assert.equal(run("aes_cfb_encrypt", CryptoCfbRequestSchema, message), ciphertext.slice(0, 42));
});

// RFC 5903, sections 8.1 and 8.2: own scalar, own point, peer's point, shared x coordinate.
const ECDH: [string, string, string, string, string][] = [
  [
    "P-256",
    "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
    "04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c37725811805271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
    "04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf6356fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
    "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
  ],
  [
    "P-384",
    "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655e35b538041e649ee3faef896783ab194",
    "04667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
    "04e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
    "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4d603135569b9e9d09cf5d4a270f59746",
  ],
];
for (const [curve, scalar, point, peer, shared] of ECDH) {
  test(`ecdh on ${curve} returns the shared x coordinate of RFC 5903`, () => {
    const message = { curve, privateKey: hex(scalar), peer: hex(peer) };
    assert.equal(run("ecdh", CryptoEcdhRequestSchema, message), shared);
  });

  test(`ecdh on ${curve} without a peer returns the public point of RFC 5903`, () => {
    assert.equal(run("ecdh", CryptoEcdhRequestSchema, { curve, privateKey: hex(scalar) }), point);
  });
}

for (const length of [1, 256]) {
  test(`random returns ${length} bytes`, () => {
    assert.equal(run("random", CryptoRandomRequestSchema, { length }).length, 2 * length);
  });
}

test("random does not repeat itself", () => {
  const draws = Array.from({ length: 100 }, () => run("random", CryptoRandomRequestSchema, { length: 16 }));
  assert.equal(new Set(draws).size, 100);
});

const [CURVE, SCALAR, , PEER] = ECDH[0] as [string, string, string, string, string];
const aead = (change: object) => () => run("aead_seal", CryptoAeadRequestSchema, { ...OPEN, ...change });
const cfb = (change: object) => () =>
  run("aes_cfb_encrypt", CryptoCfbRequestSchema, { ...CFB, key: new Uint8Array(16), ...change });
const ecdh = (change: object) => () =>
  run("ecdh", CryptoEcdhRequestSchema, { curve: CURVE, privateKey: hex(SCALAR), peer: hex(PEER), ...change });
const hkdf = (change: object) => () =>
  run("hkdf", CryptoHkdfRequestSchema, { algorithm: "sha256", length: 1, ...change });

const REFUSED: [string, () => unknown][] = [
  ["random of 0 bytes", () => run("random", CryptoRandomRequestSchema, { length: 0 })],
  ["random of 257 bytes", () => run("random", CryptoRandomRequestSchema, { length: 257 })],
  ["hkdf of 0 bytes", hkdf({ length: 0 })],
  ["hkdf of 257 bytes", hkdf({ length: 257 })],
  ["hkdf with md5", hkdf({ algorithm: "md5" })],
  ["digest with sha1", () => run("digest", CryptoDigestRequestSchema, { algorithm: "sha1" })],
  ["digest with SHA256", () => run("digest", CryptoDigestRequestSchema, { algorithm: "SHA256" })],
  ["hmac without an algorithm", () => run("hmac", CryptoHmacRequestSchema, {})],
  ["an AES key of 0 bytes", aead({ key: hex("") })],
  ["an AES key of 24 bytes", aead({ key: new Uint8Array(24) })],
  ["a GCM nonce of 11 bytes", aead({ nonce: new Uint8Array(11) })],
  ["a GCM nonce of 16 bytes", aead({ nonce: new Uint8Array(16) })],
  ["a CFB key of 24 bytes", cfb({ key: new Uint8Array(24) })],
  ["a CFB iv of 12 bytes", cfb({ iv: new Uint8Array(12) })],
  ...["", "P-521", "prime256v1", "constructor", "__proto__"].map((curve): [string, () => unknown] => [
    `the curve "${curve}"`,
    ecdh({ curve }),
  ]),
];
for (const [what, attempt] of REFUSED) {
  test(`${what} is refused`, () => assert.throws(attempt, { name: "RangeError" }));
}

test("each refusal names the fault of the request", async (t) =>
  t.assert.snapshot(await messagesOf(REFUSED)));

const BAD_POINTS: [string, object][] = [
  ["a scalar of 0", { privateKey: new Uint8Array(32) }],
  ["no scalar", { privateKey: new Uint8Array() }],
  [
    "the curve's order as scalar",
    { privateKey: hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") },
  ],
  ["a scalar of 33 bytes", { privateKey: new Uint8Array(33).fill(0xff) }],
  ["a peer that is not on the curve", { peer: flipped(hex(PEER), 64) }],
  ["a truncated peer", { peer: hex(PEER).slice(0, -1) }],
  ["the point at infinity as peer", { peer: Uint8Array.of(0) }],
  ["a peer of another curve", { peer: hex((ECDH[1] as string[])[3] as string) }],
];
for (const [what, change] of BAD_POINTS) {
  test(`ecdh refuses ${what}`, () => {
    assert.throws(ecdh(change), (error) => error instanceof Error && !(error instanceof NotAuthentic));
  });
}

for (const operation of ["", "sign", "constructor", "__proto__", "toString", "hasOwnProperty"]) {
  test(`there is no operation "${operation}"`, () => {
    assert.equal(compute(operation, new Uint8Array()), undefined);
  });
}

test("arbitrary requests throw nothing but an Error", () => {
  const operation = fc.constantFrom(
    "random",
    "digest",
    "hmac",
    "hkdf",
    "aead_seal",
    "aead_open",
    "aes_cfb_encrypt",
    "aes_cfb_decrypt",
    "ecdh",
  );
  fc.assert(
    fc.property(operation, fc.uint8Array(), (name, request) => {
      try {
        assert.ok(compute(name, request) instanceof Uint8Array);
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof assert.AssertionError), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
