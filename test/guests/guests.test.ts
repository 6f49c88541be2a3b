/** The test guests behave as named: a fault that is not committed would make the test that relies on it worthless. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as pb from "../../proto/provider/v1/provider_pb.ts";
import vectors from "../../proto/provider/v1/vectors.json" with { type: "json" };
import { type HostCalls, StandIn } from "../../sdk/assemblyscript/stand-in.ts";
import { cryptoCalls } from "../../sdk/assemblyscript/stand-in-crypto.ts";
import { buildGuests } from "./build.ts";

const PLAINTEXT = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);
let paths: Awaited<ReturnType<typeof buildGuests>>;
let misbehave: WebAssembly.Module;

before(async () => {
  paths = await buildGuests();
  misbehave = new WebAssembly.Module(await readFile(paths.misbehave));
});

const CALLS: HostCalls = { ...cryptoCalls, "log.write": () => new Uint8Array(0), "keystore.seal": () => 1 };

function encryptRequest(key: string): Uint8Array {
  const fields = { key, version: "v1", plaintext: PLAINTEXT, associatedData: AAD };
  return toBinary(pb.EncryptRequestSchema, create(pb.EncryptRequestSchema, fields));
}

const run = (key: string, standIn = new StandIn(misbehave, CALLS)) =>
  standIn.call("kleidi_encrypt", encryptRequest(key));

function encrypt(key: string): pb.EncryptReply {
  const { returned, output } = run(key);
  assert.equal(returned, 0);
  return fromBinary(pb.EncryptReplySchema, output ?? assert.fail("no reply"));
}

function decrypt(key: string, fields: MessageInitShape<typeof pb.DecryptRequestSchema>) {
  const request = create(pb.DecryptRequestSchema, { key, version: "v1", associatedData: AAD, ...fields });
  const input = toBinary(pb.DecryptRequestSchema, request);
  const { output } = new StandIn(misbehave, CALLS).call("kleidi_decrypt", input);
  return fromBinary(pb.DecryptReplySchema, output ?? assert.fail("no reply"));
}

function readBack(key: string): pb.DecryptReply {
  const { ciphertext, annotations } = encrypt(key);
  return decrypt(key, { ciphertext, annotations });
}

function status(key: string): pb.StatusReply | undefined {
  const input = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, { key }));
  const { output } = new StandIn(misbehave, CALLS).call("kleidi_status", input);
  return output && fromBinary(pb.StatusReplySchema, output);
}

const GOOD = ["well", "max-ciphertext", "annotated", "undeclared", "leak", "echo-log", "calls", "logs"];
for (const key of [...GOOD, "big-ciphertext", "same-ciphertext"]) {
  test(`${key} encrypts and decrypts`, () => assert.deepEqual(readBack(key).plaintext, PLAINTEXT));
}

for (const key of ["trap", "grow"]) {
  test(`${key} traps`, () => assert.throws(() => run(key), WebAssembly.RuntimeError));
}

test("nothing, garbage, empty-reply, huge-output, trailing, nonzero, error-set and bad-pointer commit their faults", () => {
  assert.equal(run("nothing").output, undefined);
  const garbage = run("garbage").output ?? assert.fail();
  assert.throws(() => fromBinary(pb.EncryptReplySchema, garbage), { message: "invalid varint" });
  assert.throws(() => run("empty-reply"), /does not have the length of its block/);
  assert.equal(run("huge-output").output?.length, 102_400);
  assert.throws(() => run("trailing"), /does not have the length of its block/);
  assert.equal(run("nonzero").returned, 1);
  assert.throws(() => run("error-set"), /set an error/);
  assert.throws(() => run("bad-pointer"), /names no block/);
});

test("ciphertexts are empty, of 1,023 or 1,024 bytes, or repeated, as named", () => {
  assert.equal(encrypt("empty-ciphertext").ciphertext.length, 0);
  assert.equal(encrypt("max-ciphertext").ciphertext.length, 1023);
  assert.equal(encrypt("big-ciphertext").ciphertext.length, 1024);
  assert.deepEqual(encrypt("same-ciphertext"), encrypt("same-ciphertext"));
  assert.notDeepEqual(encrypt("well"), encrypt("well"));
});

test("annotations are invalid, reserved, repeated, too many, or required, as named", () => {
  const names = (key: string) => encrypt(key).annotations.map(({ name }) => name);
  assert.deepEqual(names("bad-annotation"), ["nodots"]);
  assert.deepEqual(names("own-annotation"), ["x.kleidi.dev"]);
  assert.deepEqual(names("twice-annotation"), ["note.example.com", "note.example.com"]);
  const many = encrypt("many-annotations").annotations;
  assert.ok(many.reduce((sum, { name, value }) => sum + name.length + value.length, 0) > 32_768);
  assert.equal(decrypt("annotated", { ciphertext: encrypt("annotated").ciphertext }).failure?.code, 1);
});

test("fail-1 to fail-5 fail, and the read-back guests return a wrong plaintext", () => {
  for (const code of [1, 2, 3, 4, 5]) assert.equal(encrypt(`fail-${code}`).failure?.code, code);
  assert.equal(encrypt("fail-1").failure?.message, "CANARY-backend-text");
  assert.notDeepEqual(readBack("wrong-readback").plaintext, PLAINTEXT);
  assert.equal(readBack("failing-readback").failure?.code, 1);
  assert.equal(readBack("decrypt-empty").plaintext.length, 0);
  assert.equal(readBack("decrypt-big").plaintext.length, 513);
});

test("statuses are as named", () => {
  assert.equal(status("well")?.version, "v1");
  assert.equal(status("status-no-reply"), undefined);
  assert.equal(status("status-fail")?.failure?.code, 2);
  assert.equal(status("status-empty-version")?.version, "");
  assert.equal(status("status-long-version")?.version.length, 129);
  assert.throws(() => status("status-trap"), WebAssembly.RuntimeError);
});

test("make exactly the named number of host calls", () => {
  const count = (key: string, name: string) => run(key).calls.filter((call) => call.name === name).length;
  assert.equal(count("calls", "crypto.random"), 201);
  assert.equal(count("logs", "log.write"), 500);
  assert.equal(count("undeclared", "keystore.seal"), 1);
});

test("leak finds nothing in a fresh instance, and its traces in a reused one", () => {
  const standIn = new StandIn(misbehave, CALLS);
  const seen = () => {
    const { output } = run("leak", standIn);
    return [...fromBinary(pb.EncryptReplySchema, output ?? assert.fail()).ciphertext.subarray(0, 3)];
  };
  assert.deepEqual(seen(), [0, 0, 0]);
  const [calls, cell] = seen();
  assert.deepEqual([calls, cell], [1, 64]);
});

test("the crypto guest passes a request on and prefixes the reply with the code", async () => {
  const module = new WebAssembly.Module(await readFile(paths.crypto));
  const vector = vectors.crypto.find(({ name }) => name === "aes256_gcm_case_16_seal") ?? assert.fail();
  const ask = (operation: number, calls: HostCalls) => {
    const plaintext = Uint8Array.of(operation, ...Uint8Array.fromHex(vector.hex));
    const request = create(pb.EncryptRequestSchema, { plaintext });
    const { output } = new StandIn(module, calls).call(
      "kleidi_encrypt",
      toBinary(pb.EncryptRequestSchema, request),
    );
    return fromBinary(pb.EncryptReplySchema, output ?? assert.fail()).ciphertext.toHex();
  };
  assert.equal(ask(4, cryptoCalls), `00${vector.body}`);
  assert.equal(ask(8, { "crypto.ecdh": () => 2 }), "02");
});

test("every wat guest is valid WebAssembly, so that it is refused for the reason in its name", async () => {
  for (const path of Object.values(paths)) {
    assert.ok(new WebAssembly.Module(await readFile(path)) instanceof WebAssembly.Module, path);
  }
});
