/** The gpg provider's own branches, with a stand-in for the host. Real gpg and the real keystore: test/sandbox/gpg.test.ts. */
import assert from "node:assert/strict";
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import * as pb from "../proto/provider/v1/provider_pb.ts";
import { compile } from "../sdk/assemblyscript/build.ts";
import { type Answer, type HostCalls, StandIn } from "../sdk/assemblyscript/stand-in.ts";
import { cryptoCalls } from "../sdk/assemblyscript/stand-in-crypto.ts";
import { buildAll } from "./build.ts";

const PASSPHRASE = "a passphrase of the test";
const PLAINTEXT = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);
const NAME = `kleidi:${createHash("sha256").update(AAD).digest("hex").slice(0, 32)}`;
const SALT = Buffer.from("0102030405060708", "hex");
const common = { key: "kek", version: "v1", associatedData: AAD };

let module: WebAssembly.Module;

before(async () => {
  const gpg = (await buildAll()).find(({ name }) => name === "gpg");
  assert.ok(gpg);
  module = new WebAssembly.Module(await readFile(gpg.path));
});

/** RFC 4880, 3.7.1.3, in one piece. */
function derive(salt: Uint8Array, count: number): Buffer {
  return createHash("sha256")
    .update(Buffer.alloc(count, Buffer.concat([salt, Buffer.from(PASSPHRASE)])))
    .digest();
}

const hostCalls: HostCalls = {
  ...cryptoCalls,
  "keystore.s2k": (bytes) => {
    const { key, version, salt, count, length } = fromBinary(pb.KeystoreS2kRequestSchema, bytes);
    assert.deepEqual([key, version, salt.length, length], ["kek", "v1", 8, 32]);
    return derive(salt, count);
  },
};

function call(name: string, input: Uint8Array, calls: HostCalls): Uint8Array {
  const { returned, output } = new StandIn(module, calls).call(name, input);
  assert.equal(returned, 0);
  return output ?? assert.fail("the provider gave no reply");
}

function status(answer: Answer): pb.StatusReply {
  const input = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, { key: "kek" }));
  return fromBinary(pb.StatusReplySchema, call("kleidi_status", input, { "keystore.info": () => answer }));
}

test("a key with settings is refused before a host call, because there are none", () => {
  const request = create(pb.StatusRequestSchema, { key: "kek", settings: [{ name: "key", value: "x" }] });
  const input = toBinary(pb.StatusRequestSchema, request);
  const { failure } = fromBinary(pb.StatusReplySchema, call("kleidi_status", input, {}));
  assert.equal(failure?.code, 2);
  assert.match(failure?.message ?? "", /its setting "key" is not known/);
});

function encrypt(plaintext: Uint8Array = PLAINTEXT, calls = hostCalls): pb.EncryptReply {
  const request = create(pb.EncryptRequestSchema, { ...common, plaintext });
  return fromBinary(
    pb.EncryptReplySchema,
    call("kleidi_encrypt", toBinary(pb.EncryptRequestSchema, request), calls),
  );
}

function decrypt(
  ciphertext: Uint8Array,
  fields: MessageInitShape<typeof pb.DecryptRequestSchema> = {},
  calls = hostCalls,
): pb.DecryptReply {
  const request = create(pb.DecryptRequestSchema, { ...common, ciphertext, ...fields });
  return fromBinary(
    pb.DecryptReplySchema,
    call("kleidi_decrypt", toBinary(pb.DecryptRequestSchema, request), calls),
  );
}

function failureOf(reply: { failure?: pb.Failure | undefined }): [number | undefined, string | undefined] {
  return [reply.failure?.code, reply.failure?.message];
}

// ---- messages built by the test, each with one fault ----

const sha1 = (data: Uint8Array) => createHash("sha1").update(data).digest();
const packet = (tag: number, body: Uint8Array) =>
  Buffer.concat([Buffer.of(0xc0 | tag, 255), u32(body), body]);

function u32(body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return length;
}

const keyPacket = (head = [4, 9, 3, 8], rest: readonly number[] = []) =>
  packet(3, Buffer.concat([Buffer.from(head), SALT, Buffer.of(0), Buffer.from(rest)]));

const literal = (name: string, data: Uint8Array, format = "b") =>
  Buffer.concat([
    Buffer.from(format),
    Buffer.of(Buffer.byteLength(name)),
    Buffer.from(name),
    Buffer.alloc(4),
    data,
  ]);

/** Protects a content. `spoil` changes the bytes under the cipher, including the modification detection code. */
function sealed(content: Uint8Array, spoil: (inside: Buffer) => void = () => {}): Buffer {
  const hashed = Buffer.concat([Buffer.alloc(16, 7), Buffer.of(7, 7), content, Buffer.of(0xd3, 20)]);
  const inside = Buffer.concat([hashed, sha1(hashed)]);
  spoil(inside);
  const cipher = createCipheriv("aes-256-cfb", derive(SALT, 1024), Buffer.alloc(16));
  return Buffer.concat([Buffer.of(1), cipher.update(inside)]);
}

const message = (content: Uint8Array, key = keyPacket()) => Buffer.concat([key, packet(18, sealed(content))]);
const GOOD = packet(11, literal(NAME, PLAINTEXT));

/** Returns the reason of a refusal; its code is always NOT_OURS. */
function refusal(ciphertext: Uint8Array): string {
  const [code, text = ""] = failureOf(decrypt(ciphertext));
  assert.equal(code, 1, text);
  assert.match(text, /^Cannot decrypt the ciphertext: /);
  return text.slice("Cannot decrypt the ciphertext: ".length);
}

// ---- the tests ----

test("decrypt reads a message that the test built", () => {
  assert.deepEqual(decrypt(message(GOOD)).plaintext, PLAINTEXT);
});

test("status names the keystore's fingerprint as the version", () => {
  const body = toBinary(pb.KeystoreInfoSchema, create(pb.KeystoreInfoSchema, { version: "00ff" }));
  const reply = status(body);
  assert.deepEqual([reply.version, reply.failure], ["00ff", undefined]);
});

/** A host code, and the failure code that it becomes. */
const CODES = [
  [1, 5],
  [2, 5],
  [3, 2],
  [5, 3],
  [6, 5],
] as const;

for (const [host, failure] of CODES) {
  test(`host code ${host} becomes failure ${failure}`, () => {
    const cause = `the host answered code ${host}, "code ${host}"`;
    const fails = (name: string) => ({ ...hostCalls, [name]: () => host });
    assert.deepEqual(failureOf(status(host)), [failure, `Cannot read the passphrase's version: ${cause}`]);
    for (const [name, action] of [
      ["keystore.s2k", "derive the message's key"],
      ["crypto.digest", "hash the associated data"],
    ] as const) {
      const said = [failure, `Cannot ${action}: ${cause}`];
      assert.deepEqual(failureOf(encrypt(PLAINTEXT, fails(name))), said);
      assert.deepEqual(failureOf(decrypt(message(GOOD), {}, fails(name))), said);
    }
    const sentences = [
      encrypt(PLAINTEXT, fails("crypto.random")),
      encrypt(PLAINTEXT, fails("crypto.aes_cfb_encrypt")),
      decrypt(message(GOOD), {}, fails("crypto.aes_cfb_decrypt")),
    ].map((reply) => failureOf(reply)[1]);
    assert.deepEqual(sentences, [
      `Cannot make a salt: ${cause}`,
      `Cannot encrypt the message: ${cause}`,
      `Cannot decrypt the message: ${cause}`,
    ]);
  });
}

test("a message matches RFC 4880 byte for byte", () => {
  const { ciphertext, annotations } = encrypt();
  assert.deepEqual(annotations, []);
  const bytes = Buffer.from(ciphertext);
  assert.equal(bytes.toString("hex", 0, 6), "c30d04090308");
  const salt = bytes.subarray(6, 14);
  assert.equal(bytes[14], 0x60);
  assert.deepEqual([bytes[15], bytes[16], bytes[17]], [0xd2, bytes.length - 17, 1]);
  const decipher = createDecipheriv("aes-256-cfb", derive(salt, 65_536), Buffer.alloc(16));
  const inside = decipher.update(bytes.subarray(18));
  assert.deepEqual(inside.subarray(14, 16), inside.subarray(16, 18));
  const file = literal(NAME, PLAINTEXT);
  assert.deepEqual(inside.subarray(18, -22), Buffer.concat([Buffer.of(0xcb, file.length), file]));
  const end = inside.subarray(-22);
  assert.deepEqual(end, Buffer.concat([Buffer.of(0xd3, 20), sha1(inside.subarray(0, -20))]));
});

test("equal plaintexts give messages with other salts and other prefixes", () => {
  const [first, second] = [encrypt(), encrypt()].map(({ ciphertext }) => Buffer.from(ciphertext));
  assert.notDeepEqual(first?.subarray(6, 14), second?.subarray(6, 14));
  // The same salt and key, so that only the prefix can differ.
  const random = (fill: number) => Buffer.concat([SALT, Buffer.alloc(16, fill)]);
  const prefixed = [1, 2].map((fill) =>
    encrypt(PLAINTEXT, { ...hostCalls, "crypto.random": () => random(fill) }),
  );
  const [one, two] = prefixed.map(({ ciphertext }) => Buffer.from(ciphertext).subarray(18));
  assert.notDeepEqual(one?.subarray(0, 16), two?.subarray(0, 16));
});

test("decrypt returns the plaintext of encrypt, for any length", () => {
  const size = fc.integer({ min: 1, max: 512 });
  // The last lengths need the other form of a packet length.
  const examples = [1, 512, 103, 104, 105, 146, 147, 148].map((size): [number, number] => [size, 7]);
  fc.assert(
    fc.property(size, fc.nat(255), (length, factor) => {
      const plaintext = Uint8Array.from({ length }, (_, i) => i * factor + length);
      const { ciphertext } = encrypt(plaintext);
      assert.ok(ciphertext.length <= 1023, `${ciphertext.length} bytes`);
      assert.deepEqual(Buffer.from(decrypt(ciphertext).plaintext), Buffer.from(plaintext));
    }),
    { numRuns: 100, examples },
  );
});

test("arbitrary bytes are refused without a trap", () => {
  const head = fc.constantFrom([], [0xc3], [0x8c, 13, 4, 9, 3, 8], [...keyPacket(), 0xd2]);
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 700 }), (head, rest) => {
      refusal(Uint8Array.from([...head, ...rest]));
    }),
    { numRuns: 300 },
  );
});

test("arbitrary content under the right passphrase is read or refused without a trap", () => {
  const head = fc.constantFrom([], [0xcb], [0xac, 30, 0x62], [0xcb, 20, 0x62, 200]);
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 700 }), (head, rest) => {
      const reply = decrypt(message(Uint8Array.from([...head, ...rest])));
      assert.ok(reply.failure?.code === 1 || reply.plaintext.length > 0);
    }),
    { numRuns: 300 },
  );
});

const inner = (content: Uint8Array) => message(content);
const body = literal(NAME, PLAINTEXT);
const outer = packet(18, sealed(GOOD));

/** A fault, and the message for it. */
const REFUSED: readonly [message: () => Uint8Array, says: string][] = [
  [() => Buffer.of(), "it ends where a packet should begin"],
  [() => keyPacket(), "it ends where a packet should begin"],
  [
    () => Buffer.from("-----BEGIN PGP MESSAGE-----"),
    "a packet has no valid first byte; armored messages are not supported",
  ],
  [() => Buffer.of(0x8f, 4, 9, 3, 8), "a packet has no length"],
  [() => message(GOOD).subarray(0, -1), "a packet is truncated"],
  [() => Buffer.of(0xc3, 255, 255, 255, 255, 255), "a packet is truncated"],
  [() => Buffer.of(0x8e, 255, 255, 255, 255), "a packet is truncated"],
  [() => outer, "its packet is 18, only 3 is read (a key from a passphrase)"],
  [
    () => Buffer.concat([keyPacket(), GOOD]),
    "its data packet is 11, only 18 is read (data with modification detection)",
  ],
  [
    () => Buffer.concat([keyPacket(), packet(9, sealed(GOOD).subarray(1))]),
    "its data packet is 9, only 18 is read (data with modification detection)",
  ],
  [
    () => Buffer.concat([keyPacket(), keyPacket(), outer]),
    "its data packet is 3, only 18 is read (data with modification detection)",
  ],
  [() => Buffer.concat([message(GOOD), Buffer.of(0)]), "it has bytes after its data"],
  [
    () => message(GOOD, keyPacket([5, 9, 3, 8])),
    "its key packet's version is 5, only 4 is read (that of RFC 4880)",
  ],
  [() => message(GOOD, keyPacket([4, 7, 3, 8])), "its cipher is 7, only 9 is read (--cipher-algo AES256)"],
  [() => message(GOOD, keyPacket([4, 9, 1, 8])), "its S2K is 1, only 3 is read (--s2k-mode 3)"],
  [
    () => message(GOOD, keyPacket([4, 9, 3, 2])),
    "its S2K digest is 2, only 8 is read (--s2k-digest-algo SHA256)",
  ],
  [
    () => message(GOOD, keyPacket([4, 9, 3, 8], [1, 2, 3])),
    "its key is not the one from the passphrase: it carries another one",
  ],
  [() => Buffer.concat([packet(3, Buffer.of(4, 9, 3, 8, 1)), outer]), "its key packet is truncated"],
  [
    () => Buffer.concat([keyPacket(), packet(18, Buffer.of(2, ...sealed(GOOD).subarray(1)))]),
    "its data packet's version is 2, only 1 is read (that of RFC 4880)",
  ],
  [() => Buffer.of(0xc3, 0xe9, ...new Uint8Array(600)), "a packet of tag 3 comes in parts"],
  [
    () => Buffer.concat([keyPacket(), Buffer.of(0xd2, 0xe8), Buffer.alloc(256), Buffer.of(0)]),
    "a packet's first part is 256 bytes, at least 512 are needed",
  ],
  [
    () => inner(packet(8, Buffer.of(1, 2, 3))),
    "its content is compressed; create it with --compress-algo none",
  ],
  [() => inner(Buffer.of(0xa3, 1, 2, 3)), "its content is compressed; create it with --compress-algo none"],
  [() => inner(packet(1, body)), "its content is a packet of tag 1, only 11 is read"],
  [
    () => inner(packet(11, literal(NAME, PLAINTEXT, "t"))),
    "its content is text; create it without --textmode",
  ],
  [() => inner(packet(11, body.subarray(0, 20))), "its content is truncated"],
  [() => inner(packet(11, Buffer.of())), "its content is truncated"],
  [() => inner(Buffer.of()), "it ends where a packet should begin"],
  [() => inner(Buffer.concat([GOOD, GOOD])), "it has bytes after its content"],
  [() => inner(packet(11, literal(NAME, Buffer.of()))), "its content is 0 bytes, 1 to 512 are allowed"],
  [
    () => inner(packet(11, literal(NAME, Buffer.alloc(513)))),
    "its content is 513 bytes, 1 to 512 are allowed",
  ],
  [() => inner(packet(11, literal(`${NAME}0`, PLAINTEXT))), "it is bound to other associated data"],
  [() => inner(packet(11, literal("kleidi:", PLAINTEXT))), "it is bound to other associated data"],
];
for (const [index, [make, says]] of REFUSED.entries()) {
  test(`decrypt refuses message ${index}: ${says}`, () => assert.equal(refusal(make()), says));
}

const CHANGED = "it was modified, or encrypted with another passphrase";

/** Each changes one thing under the cipher; the last ones recompute the code, so that only that thing is wrong. */
const SPOILED: readonly [string, (inside: Buffer) => void][] = [
  ["the code", (inside) => inside.writeUInt8((inside.at(-1) ?? 0) ^ 1, inside.length - 1)],
  ["the content", (inside) => inside.writeUInt8((inside[30] ?? 0) ^ 1, 30)],
  ["the random bytes", (inside) => inside.writeUInt8(8, 0)],
  ["the repeated bytes", (inside) => inside.writeUInt8(8, 17)],
  ["the repeated bytes, with a matching code", (inside) => refit(inside, () => inside.writeUInt8(8, 16))],
  [
    "the code's tag, with a matching code",
    (inside) => refit(inside, () => inside.writeUInt8(0xd4, inside.length - 22)),
  ],
  [
    "the code's length, with a matching code",
    (inside) => refit(inside, () => inside.writeUInt8(21, inside.length - 21)),
  ],
];
for (const [what, spoil] of SPOILED) {
  test(`decrypt gives the same answer for every change: ${what}`, () => {
    const ciphertext = Buffer.concat([keyPacket(), packet(18, sealed(GOOD, spoil))]);
    assert.equal(refusal(ciphertext), CHANGED);
  });
}

function refit(inside: Buffer, change: () => void): void {
  change();
  sha1(inside.subarray(0, -20)).copy(inside, inside.length - 20);
}

test("decrypt gives the same answer for data that is too short to have a code", () => {
  for (const length of [0, 1, 18, 39]) {
    const data = sealed(GOOD).subarray(0, 1 + length);
    assert.equal(refusal(Buffer.concat([keyPacket(), packet(18, data)])), CHANGED);
  }
});

test("decrypt gives the same answer for another passphrase", () => {
  const other = { ...hostCalls, "keystore.s2k": () => new Uint8Array(32) };
  assert.deepEqual(failureOf(decrypt(message(GOOD), {}, other)), [
    1,
    `Cannot decrypt the ciphertext: ${CHANGED}`,
  ]);
});

test("decrypt refuses the provider's own message for other associated data", () => {
  const { ciphertext } = encrypt();
  const says = "Cannot decrypt the ciphertext: it is bound to other associated data";
  assert.deepEqual(failureOf(decrypt(ciphertext, { associatedData: AAD.subarray(1) })), [1, says]);
});

test("decrypt accepts any other file name for any associated data", () => {
  for (const name of ["", "seed.bin", "kleidi", "KLEIDI:1", "x".repeat(255)]) {
    const reply = decrypt(message(packet(11, literal(name, PLAINTEXT))), {
      associatedData: Uint8Array.of(9),
    });
    assert.deepEqual(reply.plaintext, PLAINTEXT, name);
  }
});

test("decrypt refuses annotations without asking the host", () => {
  const reply = decrypt(message(GOOD), { annotations: [{ name: "note.example.com" }] }, {});
  assert.equal(reply.failure?.code, 1);
});

test("decrypt makes no host call for a malformed message", () => {
  assert.equal(decrypt(message(GOOD, keyPacket([4, 9, 3, 2])), {}, {}).failure?.code, 1);
});

test("decrypt joins a body in parts, in the envelope and in the content", () => {
  const data = new Uint8Array(512).fill(3);
  const file = literal(NAME, data);
  const parts = (tag: number, body: Uint8Array) =>
    Buffer.concat([
      Buffer.of(0xc0 | tag, 0xe9),
      body.subarray(0, 512),
      Buffer.of(0xe1),
      body.subarray(512, 514),
      Buffer.of(body.length - 514),
      body.subarray(514),
    ]);
  const whole = Buffer.concat([keyPacket(), parts(18, sealed(parts(11, file)))]);
  assert.deepEqual(decrypt(whole).plaintext, data);
});

test("decrypt reads packets in the old format, with every size of length", () => {
  const old = (tag: number, size: 0 | 1 | 2, body: Uint8Array) => {
    const length = u32(body).subarray(4 - (1 << size));
    return Buffer.concat([Buffer.of(0x80 | (tag << 2) | size), length, body]);
  };
  const key = keyPacket().subarray(6);
  for (const size of [0, 1, 2] as const) {
    const inside = sealed(old(11, size, literal(NAME, PLAINTEXT)));
    const ciphertext = Buffer.concat([old(3, size, key), packet(18, inside)]);
    assert.deepEqual(decrypt(ciphertext).plaintext, PLAINTEXT);
  }
});

test("sha1 matches node:crypto at every length around its blocks, and the vectors of FIPS 180", async () => {
  const compiled = await compile(join(import.meta.dirname, "gpg/test/assembly/sha1.ts"));
  const standIn = new StandIn(new WebAssembly.Module(compiled));
  const ours = (data: Uint8Array) => Buffer.from(standIn.call("digest", data).output ?? []).toString("hex");
  const text = (value: string) => new TextEncoder().encode(value);
  assert.equal(ours(text("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  assert.equal(ours(text("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  assert.equal(
    ours(text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
    "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
  );
  for (let length = 0; length <= 260; length++) {
    const data = Uint8Array.from({ length }, (_, i) => i * 31 + length);
    assert.equal(ours(data), sha1(data).toString("hex"), `${length} bytes`);
  }
});
