/** The local provider's own branches, with a stand-in for the keystore. Other tests run it in the sandbox. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as pb from "../proto/provider/v1/provider_pb.ts";
import { type Answer, type HostCalls, StandIn } from "../sdk/assemblyscript/stand-in.ts";
import { buildAll } from "./build.ts";

const PLAINTEXT = new Uint8Array(32).fill(5);
const SEALED = new Uint8Array(12 + 32 + 16).fill(9);
const CIPHERTEXT = Uint8Array.of(1, ...SEALED);
const AAD = new Uint8Array([1, 2, 3]);
const common = { key: "kek", version: "v1", associatedData: AAD };

let module: WebAssembly.Module;

before(async () => {
  const local = (await buildAll()).find(({ name }) => name === "local");
  assert.ok(local);
  module = new WebAssembly.Module(await readFile(local.path));
});

function status(answer: Answer): pb.StatusReply {
  const input = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, { key: "kek" }));
  return fromBinary(pb.StatusReplySchema, call("kleidi_status", input, { "keystore.info": () => answer }));
}

function encrypt(seal: (request: pb.KeystoreSealRequest) => Answer): pb.EncryptReply {
  const request = create(pb.EncryptRequestSchema, { ...common, plaintext: PLAINTEXT });
  const calls = {
    "keystore.seal": (bytes: Uint8Array) => seal(fromBinary(pb.KeystoreSealRequestSchema, bytes)),
  };
  const input = toBinary(pb.EncryptRequestSchema, request);
  return fromBinary(pb.EncryptReplySchema, call("kleidi_encrypt", input, calls));
}

function decrypt(
  fields: MessageInitShape<typeof pb.DecryptRequestSchema>,
  open: (request: pb.KeystoreOpenRequest) => Answer = () => assert.fail("the keystore must not be called"),
): pb.DecryptReply {
  const request = create(pb.DecryptRequestSchema, { ...common, ...fields });
  const calls = {
    "keystore.open": (bytes: Uint8Array) => open(fromBinary(pb.KeystoreOpenRequestSchema, bytes)),
  };
  const input = toBinary(pb.DecryptRequestSchema, request);
  return fromBinary(pb.DecryptReplySchema, call("kleidi_decrypt", input, calls));
}

function call(name: string, input: Uint8Array, calls: HostCalls): Uint8Array {
  const { returned, output } = new StandIn(module, calls).call(name, input);
  assert.equal(returned, 0);
  assert.ok(output);
  return output;
}

test("a key with settings is refused before a host call, because there are none", () => {
  const request = create(pb.StatusRequestSchema, { key: "kek", settings: [{ name: "key", value: "x" }] });
  const reply = fromBinary(
    pb.StatusReplySchema,
    call("kleidi_status", toBinary(pb.StatusRequestSchema, request), {}),
  );
  assert.equal(reply.failure?.code, 2);
  assert.match(reply.failure?.message ?? "", /its setting "key" is not known/);
});

test("status names the keystore's fingerprint as the version", () => {
  const body = toBinary(pb.KeystoreInfoSchema, create(pb.KeystoreInfoSchema, { version: "00ff" }));
  const reply = status(body);
  assert.equal(reply.version, "00ff");
  assert.equal(reply.failure, undefined);
});

/** A host code, and the failure code that it becomes. */
const CODES = [
  [1, 5],
  [2, 5],
  [3, 2],
  [4, 1],
  [5, 3],
  [6, 5],
  [99, 5],
] as const;

for (const [host, failure] of CODES) {
  test(`host code ${host} becomes failure ${failure}`, () => {
    const cause = `the host answered code ${host}, "code ${host}"`;
    assert.deepEqual(failureOf(status(host)), [failure, `Cannot read the key's version: ${cause}`]);
    assert.deepEqual(failureOf(encrypt(() => host)), [failure, `Cannot seal with the key: ${cause}`]);
    const read = decrypt({ ciphertext: CIPHERTEXT }, () => host);
    assert.deepEqual(failureOf(read), [failure, `Cannot open with the key: ${cause}`]);
  });
}

test("encrypt seals exactly its input and prepends its format byte", () => {
  const reply = encrypt(({ key, version, plaintext, associatedData }) => {
    assert.deepEqual([key, version, plaintext, associatedData], ["kek", "v1", PLAINTEXT, AAD]);
    return SEALED;
  });
  assert.deepEqual(reply.ciphertext, CIPHERTEXT);
  assert.deepEqual(reply.annotations, []);
});

test("decrypt opens the bytes after the format byte", () => {
  const reply = decrypt({ ciphertext: CIPHERTEXT }, ({ key, version, sealed, associatedData }) => {
    assert.deepEqual([key, version, sealed, associatedData], ["kek", "v1", SEALED, AAD]);
    return PLAINTEXT;
  });
  assert.deepEqual(reply.plaintext, PLAINTEXT);
});

test("decrypt refuses a ciphertext that is too short, without calling the keystore", () => {
  assert.deepEqual(failureOf(decrypt({ ciphertext: new Uint8Array(29).fill(1) })), [
    1,
    "Cannot decrypt the ciphertext: it is 29 bytes, at least 30 are needed",
  ]);
  assert.equal(decrypt({}).failure?.code, 1);
});

test("decrypt refuses an unknown format, without calling the keystore", () => {
  assert.deepEqual(failureOf(decrypt({ ciphertext: Uint8Array.of(2, ...SEALED) })), [
    1,
    "Cannot decrypt the ciphertext: its format is 2, only 1 is known",
  ]);
});

test("decrypt refuses annotations, without calling the keystore", () => {
  const reply = decrypt({ ciphertext: CIPHERTEXT, annotations: [{ name: "note.example.com" }] });
  assert.equal(reply.failure?.code, 1);
});

function failureOf(reply: { failure?: pb.Failure | undefined }): [number | undefined, string | undefined] {
  return [reply.failure?.code, reply.failure?.message];
}
