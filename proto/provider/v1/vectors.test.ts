/** Compares the vectors with independent implementations: protobuf-es, node:crypto, and docs/ABI.md computed separately. */
import assert from "node:assert/strict";
import * as node from "node:crypto";
import { test } from "node:test";
import {
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { file_provider_v1_provider as file } from "./provider_pb.ts";
import vectors from "./vectors.json" with { type: "json" };

const hex = (value: Uint8Array) => Buffer.from(value).toString("hex");
const bytes = (hex: string | undefined) => Uint8Array.fromHex(hex ?? "");

function schema(name: string): DescMessage {
  const found = file.messages.find((message) => message.name === name);
  assert.ok(found, `vectors.json names the message ${name}, and provider.proto has none`);
  return found;
}

/** A vector's value in protobuf's own JSON, where bytes are base64 and not hexadecimal. */
function toProtoJson(message: DescMessage, value: Record<string, unknown>): JsonObject {
  const json: Record<string, unknown> = {};
  for (const [name, content] of Object.entries(value)) {
    const field = message.fields.find((candidate) => candidate.name === name);
    assert.ok(field, `${message.name} has no field ${name}`);
    const one = (item: unknown) => {
      if (field.message) return toProtoJson(field.message, item as Record<string, unknown>);
      return field.scalar === ScalarType.BYTES ? bytes(item as string).toBase64() : item;
    };
    json[name] = Array.isArray(content) ? content.map(one) : one(content);
  }
  return json as JsonObject;
}

for (const vector of vectors.messages) {
  test(`message ${vector.name}`, () => {
    const type = schema(vector.message);
    const value = fromJson(type, toProtoJson(type, vector.value));
    const read = fromBinary(type, bytes(vector.hex), { readUnknownFields: false });
    assert.deepEqual(read, value);
    if (vector.canonical !== false) assert.equal(hex(toBinary(type, value)), vector.hex);
  });
}

const EOF = "premature EOF";
const NOT_UTF8 = "The encoded data was not valid for encoding utf-8";
/** The library's message for each bad message: a vector that failed for another reason would prove nothing. */
const SAID: Readonly<Record<string, string>> = {
  tag_cut_off: EOF,
  tag_without_value: EOF,
  field_number_0: "illegal tag: field no 0 wire type 2",
  wire_type_6: "illegal tag: field no 15 wire type 6",
  wire_type_7: "illegal tag: field no 15 wire type 7",
  varint_cut_off: EOF,
  varint_11_bytes: "invalid varint",
  len_past_the_end: EOF,
  len_2_to_the_64: EOF,
  annotation_cut_off: EOF,
  text_cut_off: NOT_UTF8,
  text_overlong: NOT_UTF8,
  text_past_10ffff: NOT_UTF8,
  text_surrogate: NOT_UTF8,
  text_without_lead: NOT_UTF8,
  unknown_varint_cut_off: EOF,
  unknown_fixed32_cut_off: EOF,
  unknown_fixed64_cut_off: EOF,
  unknown_len_past_the_end: EOF,
  unknown_group_not_ended: EOF,
  unknown_group_ended_as_another: "invalid end group tag",
  unknown_group_never_begun: "cant skip wire type 4",
};
for (const vector of vectors.bad_messages) {
  test(`bad message ${vector.name}`, () => {
    const message = SAID[vector.name] ?? assert.fail("a vector without a reason");
    assert.throws(() => fromBinary(schema(vector.message), bytes(vector.hex)), { message });
  });
}

for (const { key, version, key_id } of vectors.key_ids) {
  test(`key id of ${key.slice(0, 20)}, ${version.slice(0, 20)}`, () => {
    const input = Buffer.concat([Buffer.from("kleidi key_id 1\0"), counted(key), counted(version)]);
    assert.equal(`k1.${node.createHash("sha256").update(input).digest("base64url")}`, key_id);
    assert.equal(key_id.length, 46);
  });
}

for (const { provider, key_id, hex: expected } of vectors.associated_data) {
  test(`associated data of ${provider}, ${key_id.slice(0, 10)}`, () => {
    assert.equal(
      hex(Buffer.concat([Buffer.from("kleidi 1\0"), counted(provider), counted(key_id)])),
      expected,
    );
  });
}

for (const vector of vectors.keystore_associated_data) {
  test(`keystore's associated data of ${vector.provider}, ${vector.key}`, () => {
    const head = Buffer.from("kleidi keystore 1\0");
    const parts = [head, counted(vector.provider), counted(vector.key), bytes(vector.associated_data)];
    assert.equal(hex(Buffer.concat(parts)), vector.hex);
  });
}

for (const { name, key, salt, count, length, body } of vectors.keystore_s2k) {
  test(`s2k ${name}`, () => {
    const once = Buffer.concat([bytes(salt), Buffer.from(Buffer.from(key, "hex").toString("base64url"))]);
    const digest = node.createHash("sha256").update(Buffer.alloc(count, once)).digest();
    assert.equal(hex(digest.subarray(0, length)), body);
  });
}

for (const vector of vectors.crypto) {
  test(`crypto ${vector.name}`, () => {
    const type = schema(vector.message);
    const request = fromJson(type, toProtoJson(type, vector.request));
    assert.equal(hex(toBinary(type, request)), vector.hex);
    // Code 2 is the contract's own limit: there is no independent implementation to compare with.
    if (vector.code === 2) return;
    const compute = () => hex(perform(vector.operation, vector.request as unknown as CryptoRequest));
    if (vector.code === 4) assert.throws(compute, /authenticat/);
    else assert.equal(compute(), vector.body);
  });
}

interface CryptoRequest {
  readonly algorithm: string;
  readonly curve: string;
  readonly length: number;
  /** Hexadecimal, like the others; absent if empty. */
  readonly key?: string;
  readonly data?: string;
  readonly salt?: string;
  readonly info?: string;
  readonly nonce?: string;
  readonly iv?: string;
  readonly associated_data?: string;
  readonly private_key?: string;
  readonly peer?: string;
}

function perform(operation: string, request: CryptoRequest): Uint8Array {
  const data = bytes(request.data);
  const key = bytes(request.key);
  switch (operation) {
    case "digest":
      return node.createHash(request.algorithm).update(data).digest();
    case "hmac":
      return node.createHmac(request.algorithm, key).update(data).digest();
    case "hkdf": {
      const { algorithm, length } = request;
      return new Uint8Array(node.hkdfSync(algorithm, key, bytes(request.salt), bytes(request.info), length));
    }
    case "aead_seal":
    case "aead_open":
      return gcm(operation, key, data, request);
    case "aes_cfb_encrypt":
      return node.createCipheriv(`aes-${key.length * 8}-cfb`, key, bytes(request.iv)).update(data);
    case "aes_cfb_decrypt":
      return node.createDecipheriv(`aes-${key.length * 8}-cfb`, key, bytes(request.iv)).update(data);
    case "ecdh": {
      const ecdh = node.createECDH(request.curve === "P-256" ? "prime256v1" : "secp384r1");
      ecdh.setPrivateKey(bytes(request.private_key));
      return request.peer === undefined ? ecdh.getPublicKey() : ecdh.computeSecret(bytes(request.peer));
    }
    default:
      throw new Error(`vectors.json names the operation ${operation}, and this test does not know it`);
  }
}

function gcm(operation: string, key: Uint8Array, data: Uint8Array, request: CryptoRequest): Uint8Array {
  const name = key.length === 32 ? "aes-256-gcm" : "aes-128-gcm";
  const associated_data = bytes(request.associated_data);
  if (operation === "aead_seal") {
    const cipher = node.createCipheriv(name, key, bytes(request.nonce)).setAAD(associated_data);
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  }
  const decipher = node.createDecipheriv(name, key, bytes(request.nonce)).setAAD(associated_data);
  decipher.setAuthTag(data.subarray(-16));
  return Buffer.concat([decipher.update(data.subarray(0, -16)), decipher.final()]);
}

/** u16(length), big-endian, then the text. */
function counted(text: string): Buffer {
  const content = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(content.length);
  return Buffer.concat([length, content]);
}
