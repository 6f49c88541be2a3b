import assert from "node:assert/strict";
import { createDecipheriv, createHmac } from "node:crypto";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import {
  KeystoreInfoRequestSchema,
  KeystoreInfoSchema,
  KeystoreOpenRequestSchema,
  KeystoreSealRequestSchema,
} from "../../../proto/provider/v1/provider_pb.ts";
import { assertRefused } from "../../../test/support/failures.ts";
import type { HostAnswer } from "../../host-call.ts";
import { Secret } from "../../lib/secret.ts";
import { decideOn } from "../capability.ts";
import { Keystore } from "./keystore.ts";

const MAIN = Uint8Array.from({ length: 32 }, (_, i) => i);
const OTHER = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
const PLAINTEXT = Uint8Array.from({ length: 32 }, (_, i) => i * 3);
const AAD = new TextEncoder().encode("associated");
const VERSION = versionOf(MAIN);
const GRANTED = ["main", "other", "absent"];

function versionOf(key: Uint8Array): string {
  return createHmac("sha256", key).update("kleidi fingerprint 1").digest("hex").slice(0, 32);
}

async function keystore(engine: Crypto = crypto): Promise<Keystore> {
  const store = new Keystore(engine);
  await store.add("main", new Secret(MAIN.slice()));
  await store.add("other", new Secret(OTHER.slice()));
  return store;
}

interface As {
  readonly provider?: string;
  readonly keys?: readonly string[] | undefined;
}

async function call(
  store: Keystore,
  operation: "info" | "seal" | "open",
  request: Uint8Array,
  { provider = "local", keys = GRANTED }: As = {},
): Promise<HostAnswer> {
  const decided = decideOn(
    store.opened(),
    {
      provider,
      rpc: "encrypt",
      ordinal: 1,
      ordinalOfCapability: 1,
      capability: "keystore",
      operation,
      request,
      signal: new AbortController().signal,
    },
    { keys },
  );
  return "perform" in decided ? await decided.perform() : decided;
}

function sealRequest(overrides: { key?: string; version?: string; plaintext?: Uint8Array } = {}): Uint8Array {
  const message = { key: "main", version: VERSION, plaintext: PLAINTEXT, associatedData: AAD, ...overrides };
  return toBinary(KeystoreSealRequestSchema, create(KeystoreSealRequestSchema, message));
}

function openRequest(
  sealed: Uint8Array,
  overrides: { key?: string; version?: string; associatedData?: Uint8Array } = {},
): Uint8Array {
  const message = { key: "main", version: VERSION, sealed, associatedData: AAD, ...overrides };
  return toBinary(KeystoreOpenRequestSchema, create(KeystoreOpenRequestSchema, message));
}

function infoRequest(key: string): Uint8Array {
  return toBinary(KeystoreInfoRequestSchema, create(KeystoreInfoRequestSchema, { key }));
}

async function seal(store: Keystore, as?: As): Promise<Uint8Array> {
  const { code, body } = await call(store, "seal", sealRequest(), as);
  assert.equal(code, 0);
  return body;
}

const NOT_AUTHENTIC = 4;

test("info returns the key's fingerprint", async () => {
  const { code, body } = await call(await keystore(), "info", infoRequest("main"));
  assert.deepEqual([code, fromBinary(KeystoreInfoSchema, body).version], [0, VERSION]);
});

test("the fingerprint of the key 00 01 .. 1f is known", () => {
  assert.equal(VERSION, "f2f35f4f629c35da7155e85355c9e6a0");
});

test("open returns the plaintext of seal", async () => {
  const store = await keystore();
  const { code, body } = await call(store, "open", openRequest(await seal(store)));
  assert.deepEqual([code, body], [0, PLAINTEXT]);
});

test("open returns the plaintext of seal, for any plaintext and associated data", async () => {
  const store = await keystore();
  await fc.assert(
    fc.asyncProperty(fc.uint8Array(), fc.uint8Array(), async (plaintext, associatedData) => {
      const message = { key: "main", version: VERSION, plaintext, associatedData };
      const request = toBinary(KeystoreSealRequestSchema, create(KeystoreSealRequestSchema, message));
      const sealed = await call(store, "seal", request);
      const opened = await call(store, "open", openRequest(sealed.body, { associatedData }));
      assert.deepEqual([opened.code, Buffer.from(opened.body)], [0, Buffer.from(plaintext)]);
    }),
    { numRuns: 50 },
  );
});

test("sealed bytes are nonce, ciphertext and tag under the associated data of docs/ABI.md", async () => {
  const sealed = await seal(await keystore());
  const decipher = createDecipheriv("aes-256-gcm", MAIN, sealed.subarray(0, 12));
  decipher.setAAD(
    Buffer.concat([Buffer.from("kleidi keystore 1\0\0\x05local\0\x04main", "latin1"), Buffer.from(AAD)]),
  );
  decipher.setAuthTag(sealed.subarray(-16));
  const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  assert.deepEqual(plaintext, Buffer.from(PLAINTEXT));
});

test("seal returns different bytes each time", async () => {
  const store = await keystore();
  const sealed = await Promise.all(Array.from({ length: 50 }, () => seal(store)));
  assert.equal(new Set(sealed.map((bytes) => Buffer.from(bytes).toString("hex", 0, 12))).size, 50);
});

test("open refuses other associated data", async (t) => {
  const store = await keystore();
  const request = openRequest(await seal(store), { associatedData: AAD.slice(1) });
  assertRefused(t, await call(store, "open", request), NOT_AUTHENTIC);
});

test("open refuses bytes that another provider sealed under a shared key", async (t) => {
  const store = await keystore();
  const sealed = await seal(store, { provider: "local" });
  assertRefused(t, await call(store, "open", openRequest(sealed), { provider: "vault" }), NOT_AUTHENTIC);
});

test("open refuses bytes of a provider whose name and key concatenate to the same text", async (t) => {
  const store = new Keystore(crypto);
  await store.add("bc", new Secret(MAIN.slice()));
  await store.add("c", new Secret(MAIN.slice()));
  const as = { keys: ["bc", "c"] };
  const sealed = await call(store, "seal", sealRequest({ key: "bc" }), { ...as, provider: "a" });
  const opened = await call(store, "open", openRequest(sealed.body, { key: "c" }), { ...as, provider: "ab" });
  assertRefused(t, opened, NOT_AUTHENTIC);
});

test("open refuses bytes that another key sealed", async (t) => {
  const store = await keystore();
  const request = openRequest(await seal(store), { key: "other", version: versionOf(OTHER) });
  assertRefused(t, await call(store, "open", request), NOT_AUTHENTIC);
});

test("open refuses a change in any byte", async () => {
  const store = await keystore();
  const sealed = await seal(store);
  const codes = new Set<number>();
  for (let at = 0; at < sealed.length; at++) {
    const changed = Uint8Array.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    codes.add((await call(store, "open", openRequest(changed))).code);
  }
  assert.deepEqual([...codes], [4]);
});

test("open refuses sealed bytes that are shorter than nonce and tag", async (t) => {
  const store = await keystore();
  const sealed = await seal(store);
  assertRefused(t, await call(store, "open", openRequest(sealed.slice(0, 27))), 4);
});

test("open refuses every prefix of sealed bytes", async () => {
  const store = await keystore();
  const sealed = await seal(store);
  const codes = new Set<number>();
  for (let length = 0; length < sealed.length; length++) {
    codes.add((await call(store, "open", openRequest(sealed.slice(0, length)))).code);
  }
  assert.deepEqual([...codes], [4]);
});

for (const version of ["", "1", versionOf(OTHER), VERSION.toUpperCase()]) {
  test(`seal does not find version "${version}"`, async (t) => {
    assertRefused(t, await call(await keystore(), "seal", sealRequest({ version })), 3);
  });

  test(`open does not find version "${version}"`, async (t) => {
    const store = await keystore();
    assertRefused(t, await call(store, "open", openRequest(await seal(store), { version })), 3);
  });
}

test("a granted key that is not loaded is not found", async (t) => {
  assertRefused(t, await call(await keystore(), "info", infoRequest("absent")), 3);
});

const OPERATIONS = {
  info: (key: string) => infoRequest(key),
  seal: (key: string) => sealRequest({ key }),
  open: (key: string) => openRequest(new Uint8Array(40), { key }),
};
for (const [operation, request] of Object.entries(OPERATIONS)) {
  const name = operation as keyof typeof OPERATIONS;
  for (const key of ["main", "", "__proto__", "constructor"]) {
    test(`${operation} is denied for the key "${key}" that is not granted`, async (t) => {
      assertRefused(t, await call(await keystore(), name, request(key), { keys: ["other"] }), 1);
    });
  }

  test(`${operation} refuses a malformed request`, async (t) => {
    assertRefused(t, await call(await keystore(), name, Uint8Array.of(255)), 2);
  });
}

test("arbitrary requests get a documented code", async () => {
  const store = await keystore();
  const operation = fc.constantFrom("info" as const, "seal" as const, "open" as const);
  await fc.assert(
    fc.asyncProperty(operation, fc.uint8Array({ maxLength: 64 }), async (name, request) => {
      const { code } = await call(store, name, request);
      assert.ok(code === 1 || code === 2, `code ${code}`);
    }),
  );
});

/** WebCrypto that keeps the key handles that it creates. */
function recordingEngine() {
  const handles: CryptoKey[] = [];
  const { subtle } = crypto;
  const engine = {
    getRandomValues: (array: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(array),
    subtle: {
      importKey: async (...args: Parameters<SubtleCrypto["importKey"]>) => {
        const handle = await subtle.importKey(...args);
        handles.push(handle);
        return handle;
      },
      encrypt: subtle.encrypt.bind(subtle),
      decrypt: subtle.decrypt.bind(subtle),
    },
  };
  return { engine: engine as unknown as Crypto, handles };
}

for (const format of ["raw", "jwk"] as const) {
  test(`a key's handle cannot be exported as ${format}`, async () => {
    const { engine, handles } = recordingEngine();
    await keystore(engine);
    const [handle] = handles;
    assert.ok(handle);
    await assert.rejects(crypto.subtle.exportKey(format, handle), { name: "InvalidAccessError" });
  });
}

test("a key's handle encrypts and decrypts, and wraps nothing", async () => {
  const { engine, handles } = recordingEngine();
  await keystore(engine);
  assert.deepEqual(
    handles.map(({ usages }) => [...usages].sort()),
    [
      ["decrypt", "encrypt"],
      ["decrypt", "encrypt"],
    ],
  );
});

test("add wipes the bytes of the key", async () => {
  const bytes = MAIN.slice();
  await new Keystore(crypto).add("main", new Secret(bytes));
  assert.deepEqual(bytes, new Uint8Array(32));
});

test("add wipes the bytes of a key that the engine refuses", async () => {
  const bytes = MAIN.slice();
  const engine = { subtle: { importKey: () => Promise.reject(new Error("full")) } } as unknown as Crypto;
  await assert.rejects(new Keystore(engine).add("main", new Secret(bytes)), new Error("full"));
  assert.deepEqual(bytes, new Uint8Array(32));
});
