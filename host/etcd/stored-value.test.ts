/** One fault for each vector: the API server's checks of an EncryptedObject, and the other ways of encryption. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { EncryptedObjectSchema } from "../../proto/etcd/v3/etcd_pb.ts";
import { encrypted } from "../../test/support/bolt-store.ts";
import { readStoredValue } from "./stored-value.ts";
import { resourceOf } from "./tally.ts";

const GOOD = {
  encryptedData: new Uint8Array(60),
  keyId: "k1",
  encryptedDekSource: new Uint8Array(1024),
  annotations: { "a.example": new Uint8Array(32_759) },
  encryptedDekSourceType: 1,
};

function read(
  changes: Partial<Omit<typeof GOOD, "annotations">> & { annotations?: Record<string, Uint8Array> },
) {
  const object = toBinary(EncryptedObjectSchema, create(EncryptedObjectSchema, { ...GOOD, ...changes }));
  return readStoredValue(Buffer.concat([Buffer.from("k8s:enc:kms:v2:a:"), object]));
}

describe("readStoredValue", () => {
  test("reads provider and key_id at the limits", () => {
    assert.deepEqual(read({}), { kind: "kms-v2", provider: "a", keyId: "k1" });
    assert.deepEqual(read({ keyId: "1", annotations: {} }), {
      kind: "kms-v2",
      provider: "a",
      keyId: "1",
      foreign: "vault-kubernetes-kms",
    });
    assert.deepEqual(read({ keyId: "x".repeat(1024) }), {
      kind: "kms-v2",
      provider: "a",
      keyId: "x".repeat(1024),
    });
    assert.equal(read({ encryptedDekSourceType: 0, encryptedData: new Uint8Array(28) }).kind, "kms-v2");
  });

  const FAULTS: Record<string, readonly [changes: Partial<typeof GOOD>, problem: string]> = {
    "an unknown type": [{ encryptedDekSourceType: 2 }, "the type of its key source is 2, which is unknown"],
    "data that is too short for a seed": [
      { encryptedData: new Uint8Array(59) },
      "its encrypted data is 59 bytes, at least 60 are needed",
    ],
    "data that is too short for a key": [
      { encryptedDekSourceType: 0, encryptedData: new Uint8Array(27) },
      "its encrypted data is 27 bytes, at least 28 are needed",
    ],
    "an empty key_id": [{ keyId: "" }, "its key_id is 0 bytes, 1 to 1024 are allowed"],
    "a key_id of 1025 bytes": [{ keyId: "é".repeat(513) }, "its key_id is 1026 bytes, 1 to 1024 are allowed"],
    "an empty key source": [
      { encryptedDekSource: new Uint8Array() },
      "its key source is 0 bytes, 1 to 1024 are allowed",
    ],
    "a key source of 1025 bytes": [
      { encryptedDekSource: new Uint8Array(1025) },
      "its key source is 1025 bytes, 1 to 1024 are allowed",
    ],
    "annotations of 32769 bytes": [
      { annotations: { "a.example": new Uint8Array(32_760) } },
      "its annotations are 32769 bytes, at most 32768 are allowed",
    ],
  };
  for (const [name, [changes, problem]] of Object.entries(FAULTS))
    test(`reports ${name}`, () => {
      assert.deepEqual(read(changes), { kind: "damaged", problem });
    });

  test("reports each object that was cut inside of a field", () => {
    const whole = encrypted("k1.a");
    const kinds = Array.from(whole, (_, length) => readStoredValue(whole.subarray(0, length)).kind);
    const complete = kinds.flatMap((kind, length) => (kind === "damaged" ? [] : [length - whole.length]));
    // Without its last field, and without its last two: only decryption can tell these from whole objects of an older form.
    assert.deepEqual(complete, [-26, -2]);
  });

  const VALUES: Record<string, readonly [text: string | Uint8Array, expected: object]> = {
    "kms v1": ["k8s:enc:kms:v1:aws:xx", { kind: "other", transformer: "kms v1", name: "aws" }],
    aescbc: ["k8s:enc:aescbc:v1:key1:xx", { kind: "other", transformer: "aescbc v1", name: "key1" }],
    aesgcm: ["k8s:enc:aesgcm:v1:key1:xx", { kind: "other", transformer: "aesgcm v1", name: "key1" }],
    secretbox: ["k8s:enc:secretbox:v1:k:xx", { kind: "other", transformer: "secretbox v1", name: "k" }],
    "protobuf in clear": ["k8s\0\n", { kind: "clear" }],
    "JSON in clear": ["{}", { kind: "clear" }],
    "CBOR in clear": [Uint8Array.of(0xd9, 0xd9, 0xf7, 0xa0), { kind: "clear" }],
    "an unknown prefix": [
      "k8s:enc:rot13:v1:a:xx",
      { kind: "damaged", problem: "it names no known way of encryption after k8s:enc:" },
    ],
    "no name": [
      "k8s:enc:aescbc:v1:",
      { kind: "damaged", problem: "it names no known way of encryption after k8s:enc:" },
    ],
    "a prefix alone": ["k8s:enc:aescbc:v1:a:", { kind: "damaged", problem: "it ends after its prefix" }],
    "no bytes": ["", { kind: "damaged", problem: "it is empty" }],
    "other bytes": [
      "enc:kms:v2:a:",
      { kind: "damaged", problem: "it is neither encrypted nor an object of Kubernetes in clear" },
    ],
  };
  for (const [name, [value, expected]] of Object.entries(VALUES))
    test(`reads ${name}`, () => {
      assert.deepEqual(readStoredValue(Buffer.from(value)), expected);
    });
});

test("the resource of a key is its first part, with the group of a custom resource", () => {
  const cases: Record<string, string> = {
    "/secrets/default/a": "secrets",
    "/services/specs/default/a": "services",
    "/services/endpoints/default/a": "endpoints",
    "/example.com/widgets/default/a": "widgets.example.com",
    "/apiregistration.k8s.io/apiservices/v1.": "apiservices.apiregistration.k8s.io",
    "/namespaces/a.b": "namespaces",
    "/a.b": "a.b",
  };
  for (const [path, resource] of Object.entries(cases)) assert.equal(resourceOf(path), resource, path);
});
