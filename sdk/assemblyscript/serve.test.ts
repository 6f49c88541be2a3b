/** The exports that the SDK gives a provider: each calls its method, and the defaults of `Provider` refuse. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as pb from "../../proto/provider/v1/provider_pb.ts";
import { compile } from "./build.ts";
import { StandIn } from "./stand-in.ts";

const NOT_OURS = 1;
const KEY_UNUSABLE = 2;
const ANNOTATIONS = [{ name: "a.example.com", value: new Uint8Array([1]) }];

let module: WebAssembly.Module;

before(async () => {
  module = new WebAssembly.Module(await compile(join(import.meta.dirname, "test/assembly/serve.ts")));
});

function decrypt(guest: StandIn, annotations: typeof ANNOTATIONS): pb.DecryptReply {
  const fields = { key: "kek", version: "v1", ciphertext: new Uint8Array([1, 2]), annotations };
  const input = toBinary(pb.DecryptRequestSchema, create(pb.DecryptRequestSchema, fields));
  return fromBinary(pb.DecryptReplySchema, guest.call("kleidi_decrypt", input).output ?? assert.fail());
}

test("each export passes its request to its method, and returns the reply", () => {
  const guest = new StandIn(module);
  const status = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, { key: "kek" }));
  const { returned, output } = guest.call("kleidi_status", status);
  assert.equal(returned, 0);
  assert.equal(fromBinary(pb.StatusReplySchema, output ?? assert.fail()).version, "kek");
  const fields = { key: "kek", version: "v1", plaintext: new Uint8Array([1, 2, 3]) };
  const encrypt = toBinary(pb.EncryptRequestSchema, create(pb.EncryptRequestSchema, fields));
  const reply = guest.call("kleidi_encrypt", encrypt).output ?? assert.fail();
  assert.deepEqual(fromBinary(pb.EncryptReplySchema, reply).ciphertext, new Uint8Array([3, 2, 1]));
  assert.deepEqual(decrypt(guest, []).plaintext, new Uint8Array([2, 1]));
});

test("annotations are refused as NOT_OURS, unless the provider writes some", () => {
  const guest = new StandIn(module);
  assert.equal(decrypt(guest, ANNOTATIONS).failure?.code, NOT_OURS);
  guest.call("annotate", new Uint8Array(0));
  assert.deepEqual(decrypt(guest, ANNOTATIONS).plaintext, new Uint8Array([2, 1]));
});

test("a provider that creates no keys reports that", () => {
  const fields = toBinary(pb.ProvisionRequestSchema, create(pb.ProvisionRequestSchema, { key: "kek" }));
  const { output } = new StandIn(module).call("kleidi_provision", fields);
  const { failure } = fromBinary(pb.ProvisionReplySchema, output ?? assert.fail());
  assert.equal(failure?.code, KEY_UNUSABLE);
  assert.match(failure.message, /"kek"/);
});

test("a malformed request traps, and so does a module that never calls serve", () => {
  const guest = new StandIn(module);
  const malformed = Uint8Array.fromHex("0801");
  for (const name of ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt", "kleidi_provision"])
    assert.throws(() => guest.call(name, malformed), WebAssembly.RuntimeError, name);
  guest.call("forget", new Uint8Array(0));
  assert.throws(() => guest.call("kleidi_status", new Uint8Array(0)), WebAssembly.RuntimeError);
});
