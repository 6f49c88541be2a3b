import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, testRefusals } from "../../test/support/config-faults.ts";
import { parseConfig } from "./parse.ts";

const SHA = "0123456789abcdef".repeat(4);

/** A valid configuration with two providers. */
const VALID = `apiVersion: kleidi.dev/v1
listen: { socket: /run/kms.sock }
keystore: { directory: keys }
providers:
  local:
    { module: a, sha256: ${SHA}, grants: { keystore: { keys: [kek-1, kek-2] } } }
  tpm:
    { module: b, sha256: ${SHA} }
keys:
  - { name: kek-1, provider: local, use: active }
  - { name: kek-2, provider: local, use: decrypt }
  - { name: kek-3, provider: tpm, use: decrypt }
`;

/** A text with one fault: a part of VALID, its replacement, and the place of the fault. */
type Case = readonly [name: string, from: string, to: string, place: string];

const cases: readonly Case[] = [
  ["a socket that is a URL", "/run/kms.sock", "unix:///run/kms.sock", "2:19 listen.socket"],
  ["a socket that is abstract", "/run/kms.sock", '"@kleidi"', "2:19 listen.socket"],
  ["a socket in a home folder", "/run/kms.sock", '"~/kms.sock"', "2:19 listen.socket"],
  ["a socket under a specifier of systemd", "/run/kms.sock", '"%t/kms.sock"', "2:19 listen.socket"],
  ["a socket under a variable", "/run/kms.sock", "$XDG_RUNTIME_DIR/kms.sock", "2:19 listen.socket"],
  [
    "an admin socket that is a URL",
    "providers:\n",
    "admin: { listen: unix://run/admin.sock }\nproviders:\n",
    "4:18 admin.listen",
  ],
  [
    "a socket path that is too long after it is resolved",
    "/run/kms.sock",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "2:19 listen.socket",
  ],
  [
    "a provider name with an underscore",
    "  tpm:\n",
    "  tpm: { module: b, sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n  my_tpm:\n",
    "8:3 providers.my_tpm",
  ],
  [
    "a provider name whose correction has the maximum displayed length",
    "  tpm:\n",
    `  tpm: { module: b, sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n  ${"a".repeat(59)}_:\n`,
    `8:3 providers.${"a".repeat(59)}_`,
  ],
  ["a provider name in other letters", "  tpm:\n", "  ключ:\n", '7:3 providers["ключ"]'],
  [
    "a provider name that is too long",
    "  tpm:\n",
    "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:\n",
    '7:3 providers["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"]',
  ],
  ["the provider name __proto__", "  tpm:\n", "  __proto__:\n", "7:3 providers.__proto__"],
  ["two keys with the same name", "name: kek-3", "name: kek-1", "12:13 keys[2].name"],
  [
    "an active key of another plugin",
    "kek-1, provider: local, use: active",
    "kek-1, provider: local, use: active, foreign: vault-kubernetes-kms",
    "10:42 keys[0].use",
  ],
  [
    "two keys of the same plugin",
    "use: decrypt }\n  - { name: kek-3, provider: tpm, use: decrypt }",
    "use: decrypt, foreign: vault-kubernetes-kms }\n  - { name: kek-3, provider: tpm, use: decrypt, foreign: vault-kubernetes-kms }",
    "12:58 keys[2].foreign",
  ],
  [
    "an unknown plugin",
    "provider: tpm, use: decrypt",
    "provider: tpm, use: decrypt, foreign: vault-kubernetes-kmz",
    "12:58 keys[2].foreign",
  ],
  ["two active keys", "provider: tpm, use: decrypt", "provider: tpm, use: active", "12:40 keys[2].use"],
  ["no active key", "use: active", "use: decrypt", "9:1 keys"],
  ["a key of a provider that is misspelt", "provider: tpm", "provider: tmp", "12:30 keys[2].provider"],
  [
    "a key of an unknown provider",
    "kek-2, provider: local",
    "kek-2, provider: hashicorp",
    "11:30 keys[1].provider",
  ],
  [
    "a provider that no key uses",
    "  - { name: kek-3, provider: tpm, use: decrypt }\n",
    "",
    "7:3 providers.tpm",
  ],
  [
    "a keystore key that is granted twice",
    "[kek-1, kek-2]",
    "[kek-1, kek-2, kek-1]",
    "6:135 providers.local.grants.keystore.keys[2]",
  ],
  [
    "a passphrase that is granted twice",
    "keys: [kek-1, kek-2]",
    "passphrases: [kek-1, kek-2, kek-1]",
    "6:142 providers.local.grants.keystore.passphrases[2]",
  ],
  [
    "a name that is granted as a key and as a passphrase",
    "keys: [kek-1, kek-2]",
    "passphrases: [kek-1], keys: [kek-2, kek-1]",
    "6:128 providers.local.grants.keystore.passphrases[0]",
  ],
  [
    "a passphrase that is a key of another provider",
    "keys: [kek-1, kek-2]",
    "keys: [kek-1], passphrases: [kek-2, kek-3]",
    "6:150 providers.local.grants.keystore.passphrases[1]",
  ],
  [
    "a passphrase that is misspelt",
    "keys: [kek-1, kek-2]",
    "keys: [kek-1], passphrases: [kek-22]",
    "6:143 providers.local.grants.keystore.passphrases[0]",
  ],
  [
    "a grant of an unknown key",
    "[kek-1, kek-2]",
    "[kek-1, kek-2, old]",
    "6:135 providers.local.grants.keystore.keys[2]",
  ],
  [
    "a grant of a key that is misspelt",
    "[kek-1, kek-2]",
    "[kek-1, kek-22]",
    "6:128 providers.local.grants.keystore.keys[1]",
  ],
  [
    "a grant of another provider's key",
    "[kek-1, kek-2]",
    "[kek-1, kek-2, kek-3]",
    "6:135 providers.local.grants.keystore.keys[2]",
  ],
  [
    "instances of 64MiB for 64 concurrent calls",
    "module: b,",
    "module: b, limits: { memory: 64MiB },",
    "8:26 providers.tpm.limits",
  ],
  [
    "a processMemory that is too small for the instances",
    "module: b,",
    "module: b, limits: { processMemory: 512MiB },",
    "8:43 providers.tpm.limits.processMemory",
  ],
  ["a grant without a keystore", "keystore: { directory: keys }\n", "", "1:1 keystore"],
];

testRefusals(
  "the rules across keys",
  cases.map(([name, from, to, place]) => {
    assert.ok(VALID.includes(from), from);
    return { name, text: VALID.replace(from, () => to), place };
  }),
);

test("brokenRules suggests a name with a bidirectional character as an escape sequence of YAML", () => {
  const message = refusal(VALID.replace("name: kek-2", () => "name: \u202ekek-2")).message;
  assert.match(message, /found "kek-2"; write: - "\\u202ekek-2"$/m);
  assert.doesNotMatch(message, /\u202e/);
});

test("brokenRules requires a keystore for a passphrase too", () => {
  const passphrases = VALID.replace("keys: [kek-1", "passphrases: [kek-1");
  const message = refusal(passphrases.replace("keystore: { directory: keys }\n", "")).message;
  assert.match(
    message,
    /: 1 fault\n.* keystore: expected a keystore, because a provider is granted keys of it/,
  );
});

test("brokenRules accepts a resolved socket path of 100 bytes", () => {
  const socket = `../${"a".repeat(99)}`;
  assert.equal(parseConfig(VALID.replace("/run/kms.sock", socket), "/etc/k.yaml").listen.socket.length, 100);
});

test("brokenRules counts the bytes of the resolved path", () => {
  assert.match(
    refusal(VALID.replace("/run/kms.sock", "é".repeat(48))).message,
    /found a path of 101 bytes; write: socket: \/run\/kleidi\/kms\.sock$/,
  );
});

test("brokenRules checks a document that the schema refuses", () => {
  const message = refusal(VALID.replace("/run/kms.sock", "5").replace("use: active", "use: decrypt")).message;
  assert.match(message, /: 2 faults\n.*listen\.socket: .*\n.* keys: expected one key with use: active/);
});

test("brokenRules leaves wrong types to the schema", () => {
  for (const [keys, faults] of [
    ["keys: 5", 1],
    ["keys: [5, [6], { name: [7], provider: { a: 1 }, use: 8 }]", 5],
  ] as const) {
    const [first] = refusal(VALID.slice(0, VALID.indexOf("keys:\n")) + keys).message.split("\n");
    assert.equal(
      first,
      `Cannot use the configuration /etc/k.yaml: ${faults} fault${faults === 1 ? "" : "s"}`,
    );
  }
});
