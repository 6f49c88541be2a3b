/** Compares the guest's codec with the vectors, with protobuf-es on generated messages, and on arbitrary bytes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { create, type DescMessage, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { file_provider_v1_provider as file } from "../../proto/provider/v1/provider_pb.ts";
import vectors from "../../proto/provider/v1/vectors.json" with { type: "json" };
import { compile } from "./build.ts";
import { StandIn } from "./stand-in.ts";

/** Messages that the test module reads and writes: test/assembly/codec.ts. */
const MESSAGES = [
  "StatusRequest",
  "EncryptRequest",
  "DecryptRequest",
  "HostReply",
  "StatusReply",
  "EncryptReply",
  "DecryptReply",
  "NetRequest",
  "NetResponse",
];

let module: WebAssembly.Module;

before(async () => {
  module = new WebAssembly.Module(await compile(join(import.meta.dirname, "test/assembly/codec.ts")));
});

/** Has the guest read a message and write it again; undefined if it refused. */
function recode(message: string, input: Uint8Array): Uint8Array | undefined {
  const { returned, output } = new StandIn(module).call(`${message}_`, input);
  if (returned === 1) return undefined;
  assert.ok(output);
  return output.length === 1 ? new Uint8Array(0) : output;
}

for (const vector of vectors.messages.filter(({ message }) => MESSAGES.includes(message))) {
  test(`the guest reads and writes ${vector.name}`, () => {
    const output = recode(vector.message, Uint8Array.fromHex(vector.hex));
    assert.ok(output);
    const type = schema(vector.message);
    const options = { readUnknownFields: false };
    const expected = toBinary(type, fromBinary(type, Uint8Array.fromHex(vector.hex), options));
    assert.equal(output.toHex(), expected.toHex());
  });
}

for (const vector of vectors.bad_messages) {
  test(`the guest refuses ${vector.name}`, () => {
    assert.equal(recode(vector.message, Uint8Array.fromHex(vector.hex)), undefined);
  });
}

test("the guest refuses a known field with another wire type", () => {
  assert.equal(recode("StatusRequest", Uint8Array.fromHex("0801")), undefined);
  assert.equal(recode("HostReply", Uint8Array.fromHex("0a0161")), undefined);
});

test("the guest refuses groups inside groups past its depth", () => {
  assert.ok(recode("StatusRequest", Uint8Array.fromHex("7b".repeat(16) + "7c".repeat(16))));
  assert.equal(recode("StatusRequest", Uint8Array.fromHex("7b".repeat(17) + "7c".repeat(17))), undefined);
});

test("the guest writes any DecryptRequest as protobuf-es does", () => {
  const text = fc.string({ unit: "binary", maxLength: 100 });
  const bytes = fc.uint8Array({ maxLength: 2000 });
  const annotations = fc.array(fc.record({ name: text, value: bytes }), { maxLength: 10 });
  const settings = fc.array(fc.record({ name: text, value: text }), { maxLength: 4 });
  const request = {
    key: text,
    version: text,
    ciphertext: bytes,
    associatedData: bytes,
    annotations,
    settings,
    foreignFormat: text,
  };
  checkSame("DecryptRequest", fc.record(request));
});

test("the guest writes any HostReply as protobuf-es does", () => {
  const code = fc.integer({ min: 0, max: 0xffffffff });
  const text = fc.string({ unit: "binary" });
  checkSame("HostReply", fc.record({ code, message: text, body: fc.uint8Array({ maxLength: 65_000 }) }));
});

test("the guest writes the messages of kleidi_provision as protobuf-es does", () => {
  const text = fc.string({ unit: "binary", maxLength: 100 });
  const settings = fc.array(fc.record({ name: text, value: text }), { maxLength: 4 });
  checkSame("ProvisionRequest", fc.record({ key: text, scheme: text, import: fc.uint8Array(), settings }));
  checkSame("ProvisionReply", fc.record({ version: text }));
  const failure = fc.record({ code: fc.nat(), message: text });
  checkSame("ProvisionReply", fc.record({ failure }));
});

test("the guest writes any NetResponse as protobuf-es does", () => {
  const text = fc.string({ unit: "binary", maxLength: 100 });
  const headers = fc.array(fc.record({ name: text, value: text }), { maxLength: 16 });
  const status = fc.integer({ min: 200, max: 599 });
  checkSame("NetResponse", fc.record({ status, headers, body: fc.uint8Array({ maxLength: 48_000 }) }));
});

test("the guest accepts arbitrary bytes only if protobuf-es reads the same message", () => {
  const type = schema("DecryptRequest");
  fc.assert(
    fc.property(fc.array(fragment(), { maxLength: 6 }), (parts) => {
      const input = new Uint8Array(parts.flatMap((part) => [...part]));
      const output = recode("DecryptRequest", input);
      if (output === undefined) return;
      const options = { readUnknownFields: false };
      assert.ok(equals(type, fromBinary(type, output), fromBinary(type, input, options)));
    }),
    { numRuns: 3000 },
  );
});

/** Bytes that often resemble a field: a tag of a low field, a small length, some content. */
function fragment(): fc.Arbitrary<Uint8Array> {
  const field = fc.tuple(fc.nat({ max: 63 }), fc.nat({ max: 4 }), fc.uint8Array({ maxLength: 4 }));
  return fc.oneof(
    fc.uint8Array({ maxLength: 12 }),
    field.map(([tag, length, content]) => Uint8Array.of(tag, length, ...content)),
  );
}

function checkSame(message: string, values: fc.Arbitrary<Record<string, unknown>>): void {
  const type = schema(message);
  fc.assert(
    fc.property(values, (value) => {
      const expected = toBinary(type, create(type, value));
      assert.equal(recode(message, expected)?.toHex(), expected.toHex());
    }),
    { numRuns: 300 },
  );
}

function schema(name: string): DescMessage {
  const found = file.messages.find((message) => message.name === name);
  assert.ok(found);
  return found;
}
