import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, testRefusals } from "../../test/support/config-faults.ts";
import { parseConfig } from "./parse.ts";

const SHA = "0123456789abcdef".repeat(4);

const VALID = `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
keystore: { directory: keys }
providers:
  local:
    { module: a, sha256: ${SHA}, grants: { keystore: { keys: [local-kek, old-kek] } } }
  tpm:
    { module: b, sha256: ${SHA} }
keys:
  - { name: both, anyOf: [local-kek, tpm-kek], use: active }
  - { name: local-kek, provider: local, use: member }
  - { name: tpm-kek, provider: tpm, use: member }
  - { name: old-kek, provider: local, use: decrypt }
  - { name: pair, allOf: [tpm-kek, local-kek], use: decrypt }
`;

test("a composed key has a mode and members, and no provider", () => {
  const { keys } = parseConfig(VALID, "/etc/k.yaml");
  assert.deepEqual(keys[0], {
    name: "both",
    use: "active",
    mode: "anyOf",
    members: ["local-kek", "tpm-kek"],
  });
  assert.deepEqual(keys[4], {
    name: "pair",
    use: "decrypt",
    mode: "allOf",
    members: ["tpm-kek", "local-kek"],
  });
  assert.equal(keys[1]?.use, "member");
});

/** A text with one fault: a part of VALID, its replacement, and the place of the fault. */
const cases = [
  ["a key with a provider and anyOf", "both, anyOf", "both, provider: tpm, anyOf", "10:34 keys[0].anyOf"],
  [
    "a key with anyOf and allOf",
    "use: active",
    "allOf: [local-kek, tpm-kek], use: active",
    "10:48 keys[0].allOf",
  ],
  ["a key with neither", "provider: tpm, use: member", "use: member", "12:5 keys[2].provider"],
  ["a composed key with a version", "use: active", 'version: "1", use: active', "10:48 keys[0].version"],
  [
    "a composed key with settings",
    "use: active",
    "settings: { key: a }, use: active",
    "10:48 keys[0].settings",
  ],
  [
    "a composed key that is a member",
    "local-kek], use: decrypt",
    "local-kek], use: member",
    "14:53 keys[4].use",
  ],
  ["one member", "[local-kek, tpm-kek]", "[local-kek]", "10:26 keys[0].anyOf"],
  ["five members", "[local-kek, tpm-kek]", "[a, b, c, d, e]", "10:26 keys[0].anyOf"],
  [
    "a member that is listed twice",
    "[local-kek, tpm-kek]",
    "[local-kek, tpm-kek, tpm-kek]",
    "10:47 keys[0].anyOf[2]",
  ],
  ["a member that is misspelt", "[local-kek, tpm-kek]", "[local-kek, tmp-kek]", "10:38 keys[0].anyOf[1]"],
  ["a member that is no key", "[local-kek, tpm-kek]", "[local-kek, elsewhere]", "10:38 keys[0].anyOf[1]"],
  ["a member with another use", "[local-kek, tpm-kek]", "[tpm-kek, old-kek]", "10:36 keys[0].anyOf[1]"],
  ["a member that is composed", "[local-kek, tpm-kek]", "[local-kek, pair]", "10:38 keys[0].anyOf[1]"],
  [
    "a member that no key names",
    "name: old-kek, provider: local, use: decrypt",
    "name: old-kek, provider: local, use: member",
    "13:44 keys[3].use",
  ],
  ["no active key beside members", "use: active", "use: decrypt", "9:1 keys"],
] as const;

testRefusals(
  "composed keys",
  cases.map(([name, from, to, place]) => ({ name, text: VALID.replace(from, to), place })),
);

test("a provider that only a member uses has a key", () => {
  assert.equal(parseConfig(VALID, "/etc/k.yaml").providers.length, 2);
  assert.equal(refusal(VALID.replace("provider: tpm,", "provider: local,")).faults[0]?.path, "providers.tpm");
});
