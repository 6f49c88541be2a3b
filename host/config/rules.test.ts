import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "./config-error.ts";
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

function faultsIn(text: string): string {
  try {
    parseConfig(text, "/etc/k.yaml");
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  assert.fail("the configuration was accepted");
}

/** One fault: what is replaced in VALID, by what, and the fault's line after the file's name. */
type Case = readonly [name: string, from: string, to: string, fault: string];

const cases: readonly Case[] = [
  [
    "a socket path that is too long once resolved",
    "/run/kms.sock",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "2:19 listen.socket: expected a path of at most 100 bytes once resolved, found one of 105 bytes; write: socket: /run/kleidi/kms.sock",
  ],
  [
    "a provider name with an underscore",
    "  tpm:\n",
    "  tpm: { module: b, sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n  my_tpm:\n",
    '8:3 providers.my_tpm: expected a provider name of a-z, 0-9 and "-", at most 63 characters, the first a letter, found "my_tpm"; write: my-tpm:',
  ],
  [
    "a provider name that is as long in the right form as the remedy may be",
    "  tpm:\n",
    `  tpm: { module: b, sha256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef }\n  ${"a".repeat(59)}_:\n`,
    `8:3 providers.${"a".repeat(59)}_: expected a provider name of a-z, 0-9 and "-", at most 63 characters, the first a letter, found "${"a".repeat(59)}_"; write: ${"a".repeat(59)}-:`,
  ],
  [
    "a provider name in other letters",
    "  tpm:\n",
    "  ключ:\n",
    '7:3 providers["ключ"]: expected a provider name of a-z, 0-9 and "-", at most 63 characters, the first a letter, found "ключ"; choose a shorter or simpler name',
  ],
  [
    "a provider name that is too long",
    "  tpm:\n",
    "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:\n",
    '7:3 providers["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"]: expected a provider name of a-z, 0-9 and "-", at most 63 characters, the first a letter, found "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…"; choose a shorter or simpler name',
  ],
  [
    "the provider name __proto__",
    "  tpm:\n",
    "  __proto__:\n",
    '7:3 providers.__proto__: expected a provider name of a-z, 0-9 and "-", at most 63 characters, the first a letter, found "__proto__"; choose a shorter or simpler name',
  ],
  [
    "two keys of one name",
    "name: kek-3",
    "name: kek-1",
    '12:13 keys[2].name: expected a name that no other key has (line 10 has it), found "kek-1"; give this key another name, or remove it',
  ],
  [
    "two active keys",
    "provider: tpm, use: decrypt",
    "provider: tpm, use: active",
    "12:40 keys[2].use: expected one key with use: active (line 10 has it), found another one; write: use: decrypt",
  ],
  [
    "no active key",
    "use: active",
    "use: decrypt",
    "9:1 keys: expected one key with use: active, found none; write: use: active (at the key that new objects are encrypted with)",
  ],
  [
    "a key of a provider that is misspelt",
    "provider: tpm",
    "provider: tmp",
    '12:30 keys[2].provider: expected one of the providers local, tpm, found "tmp"; write: provider: tpm',
  ],
  [
    "a key of a provider that there is not",
    "kek-2, provider: local",
    "kek-2, provider: hashicorp",
    '11:30 keys[1].provider: expected one of the providers local, tpm, found "hashicorp"; add it to providers',
  ],
  [
    "a provider that no key uses",
    "  - { name: kek-3, provider: tpm, use: decrypt }\n",
    "",
    "7:3 providers.tpm: expected a provider that a key uses, found no key of it; remove the provider, or add a key, write: - { name: …, provider: tpm, use: decrypt }",
  ],
  [
    "a keystore key that is granted twice",
    "[kek-1, kek-2]",
    "[kek-1, kek-2, kek-1]",
    '6:135 providers.local.grants.keystore.keys[2]: expected each name once, found "kek-1"; remove the second one',
  ],
  [
    "a passphrase that is granted twice",
    "keys: [kek-1, kek-2]",
    "passphrases: [kek-1, kek-2, kek-1]",
    '6:142 providers.local.grants.keystore.passphrases[2]: expected each name once, found "kek-1"; remove the second one',
  ],
  [
    "a name that is granted as a key and as a passphrase",
    "keys: [kek-1, kek-2]",
    "passphrases: [kek-1], keys: [kek-2, kek-1]",
    '6:128 providers.local.grants.keystore.passphrases[0]: expected a name that is not also granted as a key (line 6 has it), found "kek-1"; remove one of the two',
  ],
  [
    "a passphrase that is a key of another provider",
    "keys: [kek-1, kek-2]",
    "keys: [kek-1], passphrases: [kek-2, kek-3]",
    "6:150 providers.local.grants.keystore.passphrases[1]: expected a key of this provider, found one of the provider tpm; remove it",
  ],
  [
    "a passphrase that is misspelt",
    "keys: [kek-1, kek-2]",
    "keys: [kek-1], passphrases: [kek-22]",
    '6:143 providers.local.grants.keystore.passphrases[0]: expected a key of this provider: kek-1, kek-2, found "kek-22"; write: - kek-2',
  ],
  [
    "a grant of a key that there is not",
    "[kek-1, kek-2]",
    "[kek-1, kek-2, old]",
    '6:135 providers.local.grants.keystore.keys[2]: expected a key of this provider: kek-1, kek-2, found "old"; remove it, or add the key to keys',
  ],
  [
    "a grant of a key that is misspelt",
    "[kek-1, kek-2]",
    "[kek-1, kek-22]",
    '6:128 providers.local.grants.keystore.keys[1]: expected a key of this provider: kek-1, kek-2, found "kek-22"; write: - kek-2',
  ],
  [
    "a grant of another provider's key",
    "[kek-1, kek-2]",
    "[kek-1, kek-2, kek-3]",
    "6:135 providers.local.grants.keystore.keys[2]: expected a key of this provider, found one of the provider tpm; remove it",
  ],
  [
    "instances of 64MiB for 64 calls at once",
    "module: b,",
    "module: b, limits: { memory: 64MiB },",
    "8:26 providers.tpm.limits: expected at most 4096MiB for all instances together, memory × (concurrentCalls + 4), found 4352MiB; write: concurrentCalls: 60, or a smaller memory",
  ],
  [
    "a processMemory that the instances do not fit into",
    "module: b,",
    "module: b, limits: { processMemory: 512MiB },",
    '8:43 providers.tpm.limits.processMemory: expected at least 1280MiB: all instances, memory × (concurrentCalls + 4), and 192MiB for Node, found "512MiB"; write: processMemory: 1280MiB, or a smaller memory or concurrentCalls',
  ],
  [
    "a grant without a keystore",
    "keystore: { directory: keys }\n",
    "",
    "1:1 keystore: expected a keystore, because a provider is granted keys of it, found nothing; write: keystore: { directory: /var/lib/kleidi/keys }",
  ],
];

for (const [name, from, to, fault] of cases)
  test(`brokenRules refuses ${name}`, () => {
    assert.ok(VALID.includes(from));
    const message = faultsIn(VALID.replace(from, () => to));
    assert.equal(message, `Cannot use the configuration /etc/k.yaml: 1 fault\n/etc/k.yaml:${fault}`);
  });

test("brokenRules proposes a name with a mark of direction in it as YAML's escape sequence", () => {
  const message = faultsIn(VALID.replace("name: kek-2", () => "name: \u202ekek-2"));
  assert.match(message, /found "kek-2"; write: - "\\u202ekek-2"$/m);
  assert.doesNotMatch(message, /\u202e/);
});

test("brokenRules wants a keystore for a passphrase too", () => {
  const passphrases = VALID.replace("keys: [kek-1", "passphrases: [kek-1");
  const message = faultsIn(passphrases.replace("keystore: { directory: keys }\n", ""));
  assert.match(
    message,
    /: 1 fault\n.* keystore: expected a keystore, because a provider is granted keys of it/,
  );
});

test("brokenRules accepts a socket path of 100 bytes, resolved", () => {
  const socket = `../${"a".repeat(99)}`;
  assert.equal(parseConfig(VALID.replace("/run/kms.sock", socket), "/etc/k.yaml").listen.socket.length, 100);
});

test("brokenRules counts the bytes of the resolved path", () => {
  assert.match(
    faultsIn(VALID.replace("/run/kms.sock", "é".repeat(48))),
    /found one of 101 bytes; write: socket: \/run\/kleidi\/kms\.sock$/,
  );
});

test("brokenRules looks at a document that the schema refuses", () => {
  const message = faultsIn(VALID.replace("/run/kms.sock", "5").replace("use: active", "use: decrypt"));
  assert.match(message, /: 2 faults\n.*listen\.socket: .*\n.* keys: expected one key with use: active/);
});

test("brokenRules leaves to the schema what has the wrong type", () => {
  for (const [keys, faults] of [
    ["keys: 5", 1],
    ["keys: [5, [6], { name: [7], provider: { a: 1 }, use: 8 }]", 5],
  ] as const) {
    const [first] = faultsIn(VALID.slice(0, VALID.indexOf("keys:\n")) + keys).split("\n");
    assert.equal(
      first,
      `Cannot use the configuration /etc/k.yaml: ${faults} fault${faults === 1 ? "" : "s"}`,
    );
  }
});
