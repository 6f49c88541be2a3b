/** sdk/c/kleidi.h: protobuf, JSON and base64 in a module that clang makes of it, and the line of docs/ABI.md that embeds a manifest. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { KNOWN } from "../../host/capabilities/registry.ts";
import { buildProvider } from "../../host/provider/build.ts";
import * as pb from "../../proto/provider/v1/provider_pb.ts";
import { StandIn } from "../../sdk/assemblyscript/stand-in.ts";
import { requireDebian } from "../support/debian.ts";
import { root } from "../support/fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-c-test-"));
after(() => rmSync(folder, { recursive: true }));
let module: WebAssembly.Module;

/** Encrypt reads the member `version` of the JSON `plaintext`, Decrypt decodes base64, Status shows the request's settings. */
const SOURCE = `#include "kleidi.h"
static kl_reply text_or_failure(kl_bytes bytes) {
  if (bytes.data == NULL) return kl_fail(KL_FAULT, KL_TEXT("none"));
  return kl_success(kl_join(KL_TEXT("<"), bytes, KL_TEXT(">")));
}
static kl_reply status(const kl_request *request) {
  kl_writer out = {0};
  for (size_t i = 0; i < request->settings; i++) kl_json_put(&out, request->setting_names[i], request->setting_values[i]);
  return kl_success(kl_base64(kl_json_end(&out)));
}
static kl_reply encrypt(const kl_request *request) {
  return text_or_failure(kl_json_text(request->input, request->version));
}
static kl_reply decrypt(const kl_request *request) { return text_or_failure(kl_unbase64(request->input)); }
KL_PROVIDER(status, encrypt, decrypt)
`;

before(() => {
  requireDebian(["clang", "lld"]);
  writeFileSync(join(folder, "provider.c"), SOURCE);
  writeFileSync(
    join(folder, "provider.json"),
    JSON.stringify({ abi: 1, name: "vectors", version: "1", capabilities: [] }),
  );
  const { out } = buildProvider({ path: folder, fix: false, dev: false, known: KNOWN });
  module = new WebAssembly.Module(readFileSync(out));
});

const utf8 = (text: string) => new TextEncoder().encode(text);
const call = (name: string, input: Uint8Array) =>
  new StandIn(module).call(name, input).output ?? assert.fail("no reply");

function member(name: string, json: string): string | undefined {
  const fields = { key: "k", version: name, plaintext: utf8(json) };
  const input = toBinary(pb.EncryptRequestSchema, create(pb.EncryptRequestSchema, fields));
  const { failure, ciphertext } = fromBinary(pb.EncryptReplySchema, call("kleidi_encrypt", input));
  return failure === undefined ? new TextDecoder().decode(ciphertext).slice(1, -1) : undefined;
}

function decoded(base64: string): string | undefined {
  const fields = { key: "k", version: "1", ciphertext: utf8(base64) };
  const input = toBinary(pb.DecryptRequestSchema, create(pb.DecryptRequestSchema, fields));
  const { failure, plaintext } = fromBinary(pb.DecryptReplySchema, call("kleidi_decrypt", input));
  return failure === undefined ? Buffer.from(plaintext).subarray(1, -1).toString("hex") : undefined;
}

describe("kl_json_text", () => {
  const FOUND: readonly (readonly [json: string, value: string])[] = [
    ['{"a":"b"}', "b"],
    ['\n{ "x" : [1, -2.5e+3, {"a":"no"}, [], {}, null, true, false] , "a" : "b" }\t', "b"],
    ['{"a":""}', ""],
    [String.raw`{"a":"\"\\\/\b\f\n\r\t\u0041"}`, '"\\/\b\f\n\r\tA'],
    ['{"\\u0061":"b"}', "b"],
    ['{"a":"é"}', "é"],
  ];
  for (const [json, value] of FOUND) {
    test(`finds the member in ${json}`, () => assert.equal(member("a", json), value));
  }
  const NONE = [
    ...[
      "",
      "{",
      "{}",
      "[]",
      "null",
      '"a"',
      '{"a":1}',
      '{"a":null}',
      '{"a":["b"]}',
      '{"b":"a"}',
      '{"x":{"a":"b"}}',
    ],
    ...['{"a":"b","a":"c"}', '{"a":"b","a":1}', '{"a":"b"}x', '{"a":"b"', '{"a":"b",}', '{"a" "b"}', "{a:1}"],
    ...[
      '{"a":"b\n"}',
      String.raw`{"a":"\x"}`,
      String.raw`{"a":"\u00"}`,
      String.raw`{"a":"\u00e9"}`,
      '{"a":"b',
    ],
    ...[
      `{"x":${"[".repeat(200)}${"]".repeat(200)},"a":"b"}`,
      '{"x":tru,"a":"b"}',
      '{"x":,"a":"b"}',
      '{"x":[1,],"a":"b"}',
    ],
  ];
  for (const json of NONE) {
    test(`finds nothing in ${json.slice(0, 40)}`, () => assert.equal(member("a", json), undefined));
  }
});

describe("kl_unbase64", () => {
  const VECTORS = ["", "f", "fo", "foo", "foob", "fooba", "foobar", "\0\xff\xfe"];
  for (const text of VECTORS) {
    const bytes = Buffer.from(text, "latin1");
    // an empty text is no bytes, which the request does not have
    test(`decodes ${bytes.toString("base64")}`, () =>
      assert.equal(decoded(bytes.toString("base64")), text === "" ? undefined : bytes.toString("hex")));
  }
  for (const base64 of [
    "A",
    "AA",
    "AAA",
    "A===",
    "====",
    "AB==",
    "AAB=",
    "AA==AAAA",
    "AA=A",
    "AAA\n",
    "AA-_",
    "AAAA=",
  ]) {
    test(`refuses ${JSON.stringify(base64)}`, () => assert.equal(decoded(base64), undefined));
  }
});

describe("requests", () => {
  const status = (input: Uint8Array) => {
    const { version } = fromBinary(pb.StatusReplySchema, call("kleidi_status", input));
    return Buffer.from(version, "base64").toString();
  };
  const settings = [
    { name: "a", value: 'x"\\\u0001' },
    { name: "b", value: "y" },
  ];
  const input = toBinary(pb.StatusRequestSchema, create(pb.StatusRequestSchema, { key: "k", settings }));

  test("settings are read, and written as JSON and base64", () => {
    assert.deepEqual(JSON.parse(status(input)), { a: settings[0]?.value, b: "y" });
  });

  test("unknown fields of each wire type are skipped", () => {
    const group = [0xfb, 0x7f, 0x0a, 1, 1, 0x13, 0x14, 0xfc, 0x7f];
    const unknown = [
      ...group,
      0xf8,
      0x7f,
      1,
      0xf9,
      0x7f,
      ...Array(8).fill(1),
      0xfa,
      0x7f,
      1,
      1,
      0xfd,
      0x7f,
      ...Array(4).fill(1),
    ];
    assert.equal(status(Uint8Array.from([...unknown, ...input, ...unknown])), status(input));
  });

  const MALFORMED = [
    [0x0a],
    [0x0a, 2, 1],
    [0x08, 1],
    [0x0b],
    [0x00, 1],
    [0x09, 1],
    [0x08, ...Array(10).fill(0x80), 1],
    [0x12, 2, 0x0a, 5],
  ];
  for (const bytes of MALFORMED) {
    test(`${Buffer.from(bytes).toString("hex")} traps`, () => {
      assert.throws(() => call("kleidi_status", Uint8Array.from(bytes)), WebAssembly.RuntimeError);
    });
  }
});

test("the line of docs/ABI.md embeds the manifest", () => {
  const line = /```c\n(.*?)```/s.exec(readFileSync(join(root, "docs/ABI.md"), "utf8"))?.[1] ?? assert.fail();
  const rpcs = ["status", "encrypt", "decrypt"].map(
    (rpc) => `__attribute__((export_name("kleidi_${rpc}"))) int ${rpc}(void) { return 0; }\n`,
  );
  const [source, raw, out] = ["abi.c", "raw.wasm", "abi.wasm"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(source, line + rpcs.join(""));
  execFileSync("clang", ["--target=wasm32", "-nostdlib", "-Wl,--no-entry", "-o", raw, source]);
  rmSync(join(folder, "provider.json"));
  const { manifest } = buildProvider({ path: raw, out, fix: false, dev: false, known: KNOWN });
  assert.deepEqual(manifest, { abi: 1, name: "mine", version: "0.1.0", capabilities: [] });
});
