/** Builds and runs the example; its README's command runs this file. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as pb from "../../proto/provider/v1/provider_pb.ts";
import { buildProvider } from "../../sdk/assemblyscript/build.ts";
import { StandIn } from "../../sdk/assemblyscript/stand-in.ts";
import { cryptoCalls } from "../../sdk/assemblyscript/stand-in-crypto.ts";

const FOLDER = import.meta.dirname;
const OUT = resolve(FOLDER, "../../.tmp/examples/first-provider.wasm");
const PLAINTEXT = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);

let module: WebAssembly.Module;

before(async () => {
  const [entry, manifest] = [join(FOLDER, "assembly/index.ts"), join(FOLDER, "provider.json")];
  await buildProvider({ entry, manifest, out: OUT });
  module = new WebAssembly.Module(await readFile(OUT));
});

function call(name: string, input: Uint8Array): Uint8Array {
  // A new instance for every call, as in the host.
  const { output } = new StandIn(module, cryptoCalls).call(name, input);
  return output ?? assert.fail("the provider gave no reply");
}

function encrypt(version = "1"): pb.EncryptReply {
  const fields = { key: "kek", version, plaintext: PLAINTEXT, associatedData: AAD };
  const input = toBinary(pb.EncryptRequestSchema, create(pb.EncryptRequestSchema, fields));
  return fromBinary(pb.EncryptReplySchema, call("kleidi_encrypt", input));
}

function decrypt(ciphertext: Uint8Array, associatedData = AAD, key = "kek"): pb.DecryptReply {
  const fields = { key, version: "1", ciphertext, associatedData };
  const input = toBinary(pb.DecryptRequestSchema, create(pb.DecryptRequestSchema, fields));
  return fromBinary(pb.DecryptReplySchema, call("kleidi_decrypt", input));
}

test("status names the only version", () => {
  const input = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, { key: "kek" }));
  assert.equal(fromBinary(pb.StatusReplySchema, call("kleidi_status", input)).version, "1");
});

test("decrypt returns the plaintext of encrypt, whose ciphertext differs each time", () => {
  const [first, second] = [encrypt(), encrypt()];
  assert.notDeepEqual(first.ciphertext, second.ciphertext);
  assert.deepEqual(decrypt(first.ciphertext).plaintext, PLAINTEXT);
});

test("another version is refused as KEY_UNUSABLE", () => {
  assert.equal(encrypt("2").failure?.code, 2);
});

test("any changed byte, other associated data and another key are refused as NOT_OURS", () => {
  const { ciphertext } = encrypt();
  for (let index = 0; index < ciphertext.length; index++) {
    const changed = Uint8Array.from(ciphertext, (byte, at) => (at === index ? byte ^ 1 : byte));
    assert.equal(decrypt(changed).failure?.code, 1, `byte ${index}`);
  }
  assert.equal(decrypt(ciphertext, new Uint8Array([1, 2])).failure?.code, 1);
  assert.equal(decrypt(ciphertext, AAD, "kek-2").failure?.code, 1);
  assert.equal(decrypt(ciphertext.subarray(0, 28)).failure?.code, 1);
});
