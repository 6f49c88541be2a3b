/** The pkcs11 provider's own branches, with a stand-in for the host. Other tests run it with a token. */
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
const LABEL = { settings: [{ name: "label", value: "KEK of the cluster" }] };
const UNKNOWN = { settings: [{ name: "slot", value: "0" }] };

let module: WebAssembly.Module;
before(async () => {
  const built = (await buildAll()).find(({ name }) => name === "pkcs11");
  assert.ok(built);
  assert.ok(built.size <= 60_000);
  module = new WebAssembly.Module(await readFile(built.path));
});

const unused = () => assert.fail("the host must not be called");

function status(
  fields: MessageInitShape<typeof pb.StatusRequestSchema>,
  find: (request: pb.Pkcs11FindRequest) => Answer = unused,
): pb.StatusReply {
  const input = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, { key: "kek", ...fields }));
  const calls = { "pkcs11.find": (bytes: Uint8Array) => find(fromBinary(pb.Pkcs11FindRequestSchema, bytes)) };
  return fromBinary(pb.StatusReplySchema, call("kleidi_status", input, calls));
}

function encrypt(
  fields: MessageInitShape<typeof pb.EncryptRequestSchema>,
  answer: (request: pb.Pkcs11EncryptRequest) => Answer = unused,
): pb.EncryptReply {
  const request = create(pb.EncryptRequestSchema, { ...common, plaintext: PLAINTEXT, ...fields });
  const calls = {
    "pkcs11.encrypt": (bytes: Uint8Array) => answer(fromBinary(pb.Pkcs11EncryptRequestSchema, bytes)),
  };
  const input = toBinary(pb.EncryptRequestSchema, request);
  return fromBinary(pb.EncryptReplySchema, call("kleidi_encrypt", input, calls));
}

function decrypt(
  fields: MessageInitShape<typeof pb.DecryptRequestSchema>,
  answer: (request: pb.Pkcs11DecryptRequest) => Answer = unused,
): pb.DecryptReply {
  const request = create(pb.DecryptRequestSchema, { ...common, ciphertext: CIPHERTEXT, ...fields });
  const calls = {
    "pkcs11.decrypt": (bytes: Uint8Array) => answer(fromBinary(pb.Pkcs11DecryptRequestSchema, bytes)),
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

test("status names the version that the host found, of the key's own name", () => {
  const body = toBinary(pb.Pkcs11KeySchema, create(pb.Pkcs11KeySchema, { version: "00ff" }));
  const reply = status({}, ({ key }) => {
    assert.equal(key, "kek");
    return body;
  });
  assert.equal(reply.version, "00ff");
});

test("the setting label names the key on the token in each call", () => {
  const asked: string[] = [];
  status(LABEL, ({ key }) => asked.push(key) && 5);
  encrypt(LABEL, ({ key }) => asked.push(key) && 5);
  decrypt(LABEL, ({ key }) => asked.push(key) && 5);
  assert.deepEqual(asked, Array(3).fill("KEK of the cluster"));
});

test("another setting makes the key unusable, without a host call", () => {
  for (const { failure } of [status(UNKNOWN), encrypt(UNKNOWN), decrypt(UNKNOWN)]) {
    assert.equal(failure?.code, 2);
    assert.match(failure.message, /^Cannot use the key: .* "slot"/);
  }
});

test("encrypt puts the format before what the token encrypted", () => {
  const reply = encrypt({}, ({ key, version, plaintext, associatedData }) => {
    assert.deepEqual([key, version, plaintext, associatedData], ["kek", "v1", PLAINTEXT, AAD]);
    return SEALED;
  });
  assert.deepEqual(reply.ciphertext, CIPHERTEXT);
});

test("decrypt gives the token the bytes after the format", () => {
  const reply = decrypt({}, ({ key, version, sealed, associatedData }) => {
    assert.deepEqual([key, version, sealed, associatedData], ["kek", "v1", SEALED, AAD]);
    return PLAINTEXT;
  });
  assert.deepEqual(reply.plaintext, PLAINTEXT);
});

for (const [what, ciphertext] of [
  ["an empty ciphertext", new Uint8Array()],
  ["a ciphertext of 29 bytes", CIPHERTEXT.slice(0, 29)],
  ["another format", Uint8Array.of(2, ...SEALED)],
] as const) {
  test(`decrypt refuses ${what}, without a host call`, () => {
    assert.equal(decrypt({ ciphertext }).failure?.code, 1);
  });
}

const FOREIGN = { foreignFormat: "kleidi-go-softhsm" };
const foundKey = (fields: MessageInitShape<typeof pb.Pkcs11KeySchema>) => () =>
  toBinary(pb.Pkcs11KeySchema, create(pb.Pkcs11KeySchema, { version: "00ff", ...fields }));

test("status of a key of the Go kleidi names its key id, and that of another key none", () => {
  const theirs = status(FOREIGN, foundKey({ foreign: true }));
  assert.deepEqual([theirs.version, theirs.foreignKeyIds], ["00ff", ["kleidi-kms-plugin"]]);
  assert.deepEqual(status({}, foundKey({})).foreignKeyIds, []);
});

test("status says where a label has to be granted", () => {
  const ours = status(FOREIGN, foundKey({})).failure;
  assert.equal(ours?.code, 2);
  assert.match(ours.message, /write the label into grants\.pkcs11\.foreign/);
  const theirs = status({}, foundKey({ foreign: true })).failure;
  assert.equal(theirs?.code, 2);
  assert.match(theirs.message, /is in grants\.pkcs11\.foreign, so it needs foreign/);
});

test("decrypt gives the token an object of the Go kleidi whole, with the plugin's associated data", () => {
  const object = new Uint8Array(16 + 32 + 16).fill(1);
  const request = { ...FOREIGN, ciphertext: object, associatedData: new Uint8Array() };
  const reply = decrypt(request, ({ key, version, sealed, associatedData }) => {
    assert.deepEqual([key, version, sealed], ["kek", "v1", object]);
    assert.equal(new TextDecoder().decode(associatedData), "kleidi-kms-plugin");
    return PLAINTEXT;
  });
  assert.deepEqual(reply.plaintext, PLAINTEXT);
  assert.equal(decrypt(request, () => 4).failure?.code, 1);
});

test("decrypt refuses an object of the Go kleidi of 32 bytes, without a host call", () => {
  assert.equal(decrypt({ ...FOREIGN, ciphertext: new Uint8Array(32) }).failure?.code, 1);
});

test("an unknown format is refused, without a host call", () => {
  const other = { foreignFormat: "kleidi-go-vault" };
  for (const { failure } of [status(other), decrypt(other)]) {
    assert.equal(failure?.code, 2);
    assert.match(failure.message, /the format "kleidi-go-vault" is not one of this provider/);
  }
});

/** A host code, and the failure code that it becomes. */
for (const [host, failure] of [
  [2, 5],
  [3, 2],
  [4, 1],
  [5, 3],
] as const) {
  test(`host code ${host} becomes failure ${failure}`, () => {
    const replies = [status({}, () => host), encrypt({}, () => host), decrypt({}, () => host)];
    assert.deepEqual(
      replies.map((reply) => reply.failure?.code),
      [failure, failure, failure],
    );
  });
}
