/** The SDK's wrappers: each host call sends the message that the contract names. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import * as pb from "../../proto/provider/v1/provider_pb.ts";
import { compile } from "./build.ts";
import { StandIn } from "./stand-in.ts";

const text = (level: number) => ({ level, message: `κλειδί ${level}` });
const [a, b, c, d] = [1, 2, 3, 4].map((number) => new Uint8Array(number).fill(number));
const sealed = { key: "kek", version: "v1", associatedData: b };
const aead = { key: a, nonce: b, data: c, associatedData: d };
const HEADERS = [
  ["accept", "b"],
  ["content-type", "c"],
].map(([name, value]) => ({ $typeName: "kleidi.provider.v1.NetHeader", name, value }));
const cfb = { key: a, iv: b, data: c };

/** In the order of test/assembly/calls.ts. */
const EXPECTED: readonly (readonly [string, DescMessage, object])[] = [
  ["log.write", pb.LogWriteRequestSchema, text(0)],
  ["log.write", pb.LogWriteRequestSchema, text(1)],
  ["log.write", pb.LogWriteRequestSchema, text(2)],
  ["log.write", pb.LogWriteRequestSchema, text(3)],
  ["keystore.info", pb.KeystoreInfoRequestSchema, { key: "kek" }],
  ["keystore.seal", pb.KeystoreSealRequestSchema, { ...sealed, plaintext: a }],
  ["keystore.open", pb.KeystoreOpenRequestSchema, { ...sealed, sealed: a }],
  [
    "keystore.s2k",
    pb.KeystoreS2kRequestSchema,
    { key: "kek", version: "v1", salt: c, count: 65_536, length: 32 },
  ],
  ["crypto.random", pb.CryptoRandomRequestSchema, { length: 256 }],
  ["crypto.digest", pb.CryptoDigestRequestSchema, { algorithm: "sha256", data: a }],
  ["crypto.hmac", pb.CryptoHmacRequestSchema, { algorithm: "sha384", key: a, data: b }],
  ["crypto.hkdf", pb.CryptoHkdfRequestSchema, { algorithm: "sha512", key: a, salt: b, info: c, length: 64 }],
  ["crypto.aead_seal", pb.CryptoAeadRequestSchema, aead],
  ["crypto.aead_open", pb.CryptoAeadRequestSchema, aead],
  ["crypto.aes_cfb_encrypt", pb.CryptoCfbRequestSchema, cfb],
  ["crypto.aes_cfb_decrypt", pb.CryptoCfbRequestSchema, cfb],
  ["crypto.ecdh", pb.CryptoEcdhRequestSchema, { curve: "P-256", privateKey: a, peer: b }],
  ["pkcs11.find", pb.Pkcs11FindRequestSchema, { key: "kek" }],
  ["pkcs11.encrypt", pb.Pkcs11EncryptRequestSchema, { ...sealed, plaintext: a }],
  ["pkcs11.decrypt", pb.Pkcs11DecryptRequestSchema, { ...sealed, sealed: a }],
  ["tpm.enter", pb.TpmEnterRequestSchema, {}],
  ["tpm.transmit", pb.TpmTransmitRequestSchema, { command: a }],
  ["tpm.leave", pb.TpmLeaveRequestSchema, { memory: b }],
  ["tpm.leave", pb.TpmLeaveRequestSchema, { memory: new Uint8Array(0) }],
  ["state.get", pb.StateGetRequestSchema, { name: "kek" }],
  ["state.put", pb.StatePutRequestSchema, { name: "kek", value: a }],
  [
    "net.request",
    pb.NetRequestSchema,
    { method: "GET", path: "/v1/a", headers: [], body: new Uint8Array(0) },
  ],
  ["net.request", pb.NetRequestSchema, { method: "POST", path: "/v1/b", headers: HEADERS, body: d }],
];

let module: WebAssembly.Module;

before(async () => {
  module = new WebAssembly.Module(await compile(join(import.meta.dirname, "test/assembly/calls.ts")));
});

test("every wrapper sends the message that the contract names", () => {
  const answers = Object.fromEntries(EXPECTED.map(([name]) => [name, () => 0]));
  const { returned, calls } = new StandIn(module, answers).call("all", new Uint8Array(0));
  assert.equal(returned, 0);
  assert.deepEqual(
    calls.map((call) => call.name),
    EXPECTED.map(([name]) => name),
  );
  for (const [index, [name, type, fields]] of EXPECTED.entries()) {
    const { $typeName, $unknown, ...sent } = fromBinary(type, calls[index]?.request ?? new Uint8Array(0));
    assert.deepEqual(sent, fields, name);
  }
});

test("decimal writes a number as JavaScript does", () => {
  const standIn = new StandIn(module);
  for (const number of [0, 9, 10, 99, 100, 65_536, 4_294_967_295]) {
    const input = new Uint8Array(new Uint32Array([number]).buffer);
    assert.equal(new TextDecoder().decode(standIn.call("decimal_", input).output), String(number));
  }
});
