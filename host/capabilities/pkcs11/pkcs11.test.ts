import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Pkcs11KeySchema } from "../../../proto/provider/v1/provider_pb.ts";
import { assertSentence } from "../../../test/support/thrown.ts";
import { type HostAnswer, type HostCall, HostCode } from "../../host-call.ts";
import { decideOn } from "../capability.ts";
import { failure, ModuleFailure } from "./failure.ts";
import { Message } from "./module/protocol.mjs";
import { type KeyGrant, openPkcs11 } from "./pkcs11.ts";
import { REQUESTS } from "./requests.ts";
import type { Operation } from "./token-client.ts";

const GRANT: KeyGrant = {
  token: "kleidi",
  keys: ["kek", "κλειδί", "mkek"],
  foreign: ["theirs"],
  mechanism: "aes-gcm",
};
const VERSION = "00112233445566778899aabbccddeeff";
const SEED = new Uint8Array(32).fill(5);
const NONE = new Uint8Array();

type Perform = (operation: Operation) => Promise<Buffer>;
const unused: Perform = () => assert.fail("the token must not be used");

/** Decides on a request and performs the plan, if there is one. */
async function call<Name extends keyof typeof REQUESTS>(
  operation: Name,
  fields: MessageInitShape<(typeof REQUESTS)[Name]>,
  perform: Perform = unused,
  provider = "hsm",
  grant = GRANT,
): Promise<HostAnswer> {
  const tokens = new Map([[provider, { perform, close() {} }]]);
  const request = toBinary(REQUESTS[operation], create(REQUESTS[operation], fields));
  const made: HostCall = {
    ...{ provider, rpc: "decrypt", ordinal: 1, ordinalOfCapability: 1, capability: "pkcs11" },
    ...{ operation, request, signal: new AbortController().signal },
  };
  const next = decideOn(openPkcs11(tokens), made, grant);
  return "perform" in next ? await next.perform() : next;
}

const facts = (value: unknown) => async () => Buffer.from(JSON.stringify(value));

test("find returns the key's version", async () => {
  const { code, body } = await call("find", { key: "kek" }, facts({ version: VERSION }));
  assert.equal(code, HostCode.OK);
  assert.equal(fromBinary(Pkcs11KeySchema, body).version, VERSION);
});

for (const [what, version] of [
  ["no version", undefined],
  ["a version of another form", "v1"],
] as const) {
  test(`find refuses an answer with ${what}`, async () => {
    assert.equal((await call("find", { key: "kek" }, facts({ version }))).code, HostCode.UNAVAILABLE);
  });
}

for (const operation of ["find", "encrypt", "decrypt"] as const) {
  test(`${operation} denies a label that is not granted`, async (t) => {
    const { code, message } = await call(operation, { key: "other" });
    assert.equal(code, HostCode.DENIED);
    assertSentence(t, message);
  });
}

test("find says which key is another plugin's", async () => {
  for (const [key, expected] of [
    ["kek", false],
    ["theirs", true],
  ] as const) {
    const { body } = await call("find", { key }, facts({ version: VERSION }));
    assert.equal(fromBinary(Pkcs11KeySchema, body).foreign, expected);
  }
});

test("encrypt denies a key of another plugin", async () => {
  assert.equal((await call("encrypt", { key: "theirs", plaintext: SEED })).code, HostCode.DENIED);
});

test("decrypt with a key of another plugin takes a nonce of 16 bytes, and adds nothing to the associated data", async () => {
  const sealed = Uint8Array.from({ length: 16 + 32 + 16 }, (_, i) => i);
  const associatedData = Buffer.from("theirs alone");
  const { code } = await call(
    "decrypt",
    { key: "theirs", version: VERSION, sealed, associatedData },
    async ({ fields }) => {
      const [, , , iv, aad, ciphertext] = fields;
      assert.deepEqual(
        [iv, aad, ciphertext].map((each) => Buffer.from(each ?? NONE)),
        [Buffer.from(sealed.subarray(0, 16)), associatedData, Buffer.from(sealed.subarray(16))],
      );
      return Buffer.alloc(32);
    },
  );
  assert.equal(code, HostCode.OK);
});

test("encrypt uses a new random nonce for each call", async () => {
  const nonces = new Set<string>();
  for (let i = 0; i < 2; i++) {
    const { body } = await call("encrypt", { key: "kek", version: VERSION, plaintext: SEED }, async () =>
      Buffer.alloc(SEED.length + 16),
    );
    assert.equal(body.length, 12 + SEED.length + 16);
    nonces.add(Buffer.from(body.subarray(0, 12)).toString("hex"));
  }
  assert.equal(nonces.size, 2);
});

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../../proto/provider/v1/vectors.json"), "utf8"),
) as {
  pkcs11_associated_data: { provider: string; key: string; associated_data: string; hex: string }[];
};
for (const { provider, key, associated_data, hex } of vectors.pkcs11_associated_data) {
  test(`the associated data binds provider "${provider}" and key "${key}"`, async () => {
    const bound: string[] = [];
    const associatedData = Buffer.from(associated_data, "hex");
    const perform: Perform = async ({ type, fields }) => {
      bound.push(Buffer.from(fields[4] ?? NONE).toString("hex"));
      return Buffer.alloc(type === Message.ENCRYPT ? 17 : 1);
    };
    const common = { key, version: VERSION, associatedData };
    await call("encrypt", { ...common, plaintext: Buffer.alloc(1) }, perform, provider);
    await call("decrypt", { ...common, sealed: Buffer.alloc(29) }, perform, provider);
    assert.deepEqual(bound, [hex, hex]);
  });
}

for (const [mechanism, overhead] of [
  ["aes-gcm", 16],
  ["aes-kw", 56],
] as const) {
  test(`each request names the mechanism ${mechanism}, and what it adds is checked`, async () => {
    const named: string[] = [];
    const grant = { ...GRANT, mechanism };
    const answering =
      (length: number): Perform =>
      async ({ fields }) => {
        named.push(Buffer.from(fields[0] ?? NONE).toString());
        return Buffer.alloc(length);
      };
    const common = { key: "kek", version: VERSION };
    const sealed = Buffer.alloc(12 + overhead + 32);
    const outcomes = [
      await call("encrypt", { ...common, plaintext: SEED }, answering(32 + overhead), "hsm", grant),
      await call("decrypt", { ...common, sealed }, answering(32), "hsm", grant),
      await call("encrypt", { ...common, plaintext: SEED }, answering(32 + overhead + 1), "hsm", grant),
      await call("decrypt", { ...common, sealed: sealed.subarray(0, 11 + overhead) }, unused, "hsm", grant),
    ];
    const { OK, UNAVAILABLE, NOT_AUTHENTIC } = HostCode;
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      [OK, OK, UNAVAILABLE, NOT_AUTHENTIC],
    );
    await call("find", { key: "kek" }, answering(0), "hsm", grant).catch(() => undefined);
    await call(
      "decrypt",
      { ...common, key: "theirs", sealed: Buffer.alloc(64) },
      answering(32),
      "hsm",
      grant,
    );
    assert.deepEqual(named, [mechanism, mechanism, mechanism, mechanism, "aes-gcm"]);
  });
}

const LARGE = Buffer.alloc(4_097);
for (const [what, operation, fields] of [
  ["a plaintext", "encrypt", { plaintext: LARGE }],
  ["associated data of encrypt", "encrypt", { associatedData: LARGE }],
  ["sealed bytes", "decrypt", { sealed: Buffer.alloc(4_125) }],
  ["associated data of decrypt", "decrypt", { sealed: Buffer.alloc(60), associatedData: LARGE }],
] as const) {
  test(`${what} with a byte too many reaches no token`, async (t) => {
    const { code, message } = await call(operation, { key: "kek", version: VERSION, ...fields });
    assert.equal(code, HostCode.INVALID);
    assertSentence(t, message);
  });
}

test("sealed bytes that are cut short are not authentic and reach no token", async () => {
  for (const [key, length] of [
    ["kek", 27],
    ["theirs", 31],
  ] as const) {
    const fields = { key, version: VERSION, sealed: Buffer.alloc(length) };
    assert.equal((await call("decrypt", fields)).code, HostCode.NOT_AUTHENTIC);
  }
});

for (const operation of ["encrypt", "decrypt"] as const) {
  test(`${operation} refuses an output of another length`, async () => {
    const fields = { key: "kek", version: VERSION, plaintext: SEED, sealed: Buffer.alloc(60) };
    const { code } = await call(operation, fields, async () => Buffer.alloc(31));
    assert.equal(code, HostCode.UNAVAILABLE);
  });
}

for (const [kind, code, step] of [
  ["key-missing", HostCode.NOT_FOUND, undefined],
  ["key-other", HostCode.NOT_FOUND, undefined],
  ["not-authentic", HostCode.NOT_AUTHENTIC, undefined],
  ["token-missing", HostCode.UNAVAILABLE, "hsm"],
  ["pin-refused", HostCode.UNAVAILABLE, "login"],
  ["pin-file", HostCode.UNAVAILABLE, "file"],
] as const) {
  test(`a token that fails with ${kind} is code ${code}`, async (t) => {
    const found = await call("find", { key: "kek" }, async () => {
      throw failure(kind);
    });
    assert.deepEqual([found.code, found.failedStep], [code, step]);
    assertSentence(t, found.message);
  });
}

test("a key that does not permit the operation is code 3", async () => {
  const { code } = await call("find", { key: "kek" }, async () => {
    throw new ModuleFailure("call", "C_EncryptInit returned CKR_KEY_FUNCTION_NOT_PERMITTED", {
      call: "C_EncryptInit",
      rv: 0x68,
    });
  });
  assert.equal(code, HostCode.NOT_FOUND);
});
