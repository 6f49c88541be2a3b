/** The formats of other plugins: which objects are theirs, and that no object is of two. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FOREIGN_NAMES, foreignFormatOf } from "./foreign.ts";

const ONE = { "v2.kleidi.beezy.dev": Uint8Array.of(0x31) };
const OURS = { "format.kleidi.dev": Uint8Array.of(0x31) };

const OBJECTS: readonly [string, Readonly<Record<string, Uint8Array>>, string | undefined][] = [
  ["1", {}, "vault-kubernetes-kms"],
  ["4294967295", {}, "vault-kubernetes-kms"],
  ["0", {}, undefined],
  ["01", {}, undefined],
  ["+1", {}, undefined],
  ["1 ", {}, undefined],
  ["1\n", {}, undefined],
  ["１", {}, undefined],
  ["12345678901", {}, undefined],
  ["1", ONE, undefined],
  ["1", OURS, undefined],
  ["kleidi-kms-plugin_3_1756412535", ONE, "kleidi-go-vault"],
  ["kleidi-kms-plugin_3_1756412535", {}, undefined],
  ["kleidi-kms-plugin_3_1756412535", { ...ONE, ...OURS }, undefined],
  ["kleidi-kms-plugin_3_1756412535", { "v2.kleidi.beezy.dev": Uint8Array.of(0x31, 0x31) }, undefined],
  ["kleidi-kms-plugin_3_1756412535", { "v2.kleidi.beezy.dev": Uint8Array.of(0x32) }, undefined],
  ["kleidi-kms-plugin_3_1756412535", { toString: Uint8Array.of(0x31) }, undefined],
  ["kleidi-kms-plugin_3_", ONE, undefined],
  ["kleidi-kms-plugin_3_%!s(<nil>)", ONE, undefined],
  ["kleidi-kms-plugin", ONE, "kleidi-go-softhsm"],
  ["kleidi-kms-plugin", {}, undefined],
  ["kleidi-kms-plugin\n", ONE, undefined],
  ["a_kleidi-kms-plugin_3_1756412535", ONE, undefined],
  ["kleidi-kms-plugin_3_1756412535a", ONE, undefined],
  [
    "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    {},
    "aws-encryption-provider",
  ],
  ["arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/etcd/kek_1", {}, "aws-encryption-provider"],
  [
    "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    {},
    "aws-encryption-provider",
  ],
  ["alias/etcd", {}, "aws-encryption-provider"],
  ["1234abcd-12ab-34cd-56ef-1234567890ab", {}, "aws-encryption-provider"],
  ["mrk-1234abcd12ab34cd56ef1234567890ab", {}, "aws-encryption-provider"],
  ["alias/etcd", ONE, undefined],
  ["alias/", {}, undefined],
  ["alias/a b", {}, undefined],
  ["alias/a\n", {}, undefined],
  ["arn:aws:iam::111122223333:key/a", {}, undefined],
  ["arn:aws:kms:eu-central-1:1111:key/a", {}, undefined],
  ["12345678", {}, "vault-kubernetes-kms"],
  ["1234abcd-12ab-34cd-56ef-1234567890a", {}, undefined],
  ["a1", {}, undefined],
  ["1a", {}, undefined],
  ["k1.CYOBsC7GZNTxtwQ6jFL0PSaqmPA9G7NENCUCGzsbrFU", {}, undefined],
  ["", {}, undefined],
];

for (const [keyId, annotations, expected] of OBJECTS)
  test(`the key_id ${JSON.stringify(keyId)} with ${Object.keys(annotations).join(", ") || "no annotation"}`, () =>
    assert.equal(foreignFormatOf(keyId, annotations), expected));

test("each format has an object above", () => {
  const found = new Set(OBJECTS.flatMap(([, , name]) => name ?? []));
  assert.deepEqual([...found].sort(), [...FOREIGN_NAMES].sort());
});
