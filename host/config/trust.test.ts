import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, testRefusals } from "../../test/support/config-faults.ts";
import { parseConfig } from "./parse.ts";

const SHA = "0123456789abcdef".repeat(4);

/** A public key line: the id as minisign prints it, and 32 bytes of one value. */
function line(id: string, fill: number): string {
  const bytes = [Buffer.from("Ed"), Buffer.from(id, "hex").reverse(), Buffer.alloc(32, fill)];
  return Buffer.concat(bytes).toString("base64");
}

const A = line("D139A01AA35FA08F", 1);
const B = line("0000000000000B0B", 2);

/** Line 4 is the first key, 5 the second. */
const VALID = `apiVersion: kleidi.dev/v1
trust:
  keys:
    - { name: release-2026, key: ${A}, expires: 2027-06-30 }
    - { name: release-2027, key: ${B} }
  threshold: 2
  revoked:
    - { sha256: ${SHA}, why: "CVE-2026-1: reads too much" }
    - { key: D139A01AA35FA08F, why: the laptop was lost }
listen: { socket: /run/kms.sock }
providers:
  local: { module: a.wasm, sha256: ${SHA}, signatures: [sigs/a, /b] }
  other: { module: mods/o.wasm, sha256: ${SHA} }
keys:
  - { name: kek, provider: local, use: active }
  - { name: old, provider: other, use: decrypt }
`;

test("parseConfig returns the trust policy and absolute paths of signatures; the default is the file beside the module", () => {
  const { trust, providers } = parseConfig(VALID, "/etc/k.yaml");
  assert.deepEqual(trust, {
    keys: [
      // YAML's core schema has no dates: this is text
      { name: "release-2026", key: A, expires: "2027-06-30" },
      { name: "release-2027", key: B },
    ],
    threshold: 2,
    revoked: [
      { sha256: SHA, why: "CVE-2026-1: reads too much" },
      { key: "D139A01AA35FA08F", why: "the laptop was lost" },
    ],
  });
  assert.deepEqual(
    providers.map(({ signatures }) => signatures),
    [["/etc/sigs/a", "/b"], ["/etc/mods/o.wasm.minisig"]],
  );
});

test("trust with keys alone requires one signature and revokes nothing", () => {
  const [head, tail] = [VALID.indexOf("  threshold"), VALID.indexOf("listen")];
  const { trust } = parseConfig(VALID.slice(0, head) + VALID.slice(tail), "/etc/k.yaml");
  assert.deepEqual({ threshold: trust?.threshold, revoked: trust?.revoked }, { threshold: 1, revoked: [] });
});

test("without trust a provider has no signatures", () => {
  const text = VALID.slice(0, VALID.indexOf("trust")) + VALID.slice(VALID.indexOf("listen"));
  const { trust, providers } = parseConfig(text.replace(", signatures: [sigs/a, /b]", ""), "/etc/k.yaml");
  assert.equal(trust, undefined);
  assert.ok(providers.every((provider) => !("signatures" in provider)));
});

/** A text with one fault: a part of VALID, its replacement, and the place of the fault. */
const cases: readonly (readonly [name: string, from: string, to: string, place: string])[] = [
  ["a truncated key", A, A.slice(0, -1), `4:34 trust.keys[0].key`],
  ["a key of another algorithm", A, `RU${A.slice(2)}`, `4:34 trust.keys[0].key`],
  [
    "an entire .pub file",
    A,
    `"untrusted comment: minisign public key D139A01AA35FA08F\\n${A}\\n"`,
    `4:34 trust.keys[0].key`,
  ],
  ["an invalid date", "2027-06-30", "2027-06-31", "4:101 trust.keys[0].expires"],
  ["a day with slashes", "2027-06-30", "2027/06/30", "4:101 trust.keys[0].expires"],
  ["a day with a time", "2027-06-30", "2027-06-30T12:00:00Z", "4:101 trust.keys[0].expires"],
  ["a threshold of 0", "threshold: 2", "threshold: 0", "6:14 trust.threshold"],
  ["a threshold above the number of keys", "threshold: 2", "threshold: 3", "6:14 trust.threshold"],
  ["two keys with the same name", "release-2027", "release-2026", "5:15 trust.keys[1].name"],
  ["the same key twice", B, A, "5:34 trust.keys[1].key"],
  ["two keys with the same id", B, line("D139A01AA35FA08F", 3), "5:34 trust.keys[1].key"],
  ["the same key under two ids", B, line("0000000000000B0B", 1), "5:34 trust.keys[1].key"],
  [
    "the id of a revoked key in lower case",
    "key: D139A01AA35FA08F",
    "key: d139a01aa35fa08f",
    "9:14 trust.revoked[1].key",
  ],
  [
    "the id of a revoked key that YAML read as a number",
    "key: D139A01AA35FA08F",
    "key: 1234567890123456",
    "9:14 trust.revoked[1].key",
  ],
  [
    "the id of a revoked key that YAML read as a power",
    "key: D139A01AA35FA08F",
    "key: 12345678901234E5",
    "9:14 trust.revoked[1].key",
  ],
  ["a revocation without an object", "key: D139A01AA35FA08F, why", "why", "9:7 trust.revoked[1]"],
  [
    "a revocation of two objects",
    "key: D139A01AA35FA08F, why",
    `key: D139A01AA35FA08F, sha256: ${SHA}, why`,
    "9:7 trust.revoked[1]",
  ],
  ["a revocation without a reason", ", why: the laptop was lost", "", "9:7 trust.revoked[1].why"],
  [
    "a reason with an escape sequence of terminals",
    "the laptop was lost",
    '"\\e[2J"',
    "9:37 trust.revoked[1].why",
  ],
  ["an empty list of signatures", "[sigs/a, /b]", "[]", "12:114 providers.local.signatures"],
  ["a misspelt key of trust", "  threshold: 2", "  treshold: 2", "6:3 trust.treshold"],
];
const withoutTrust = VALID.slice(0, VALID.indexOf("trust")) + VALID.slice(VALID.indexOf("listen"));
testRefusals("trust", [
  ...cases.map(([name, from, to, place]) => {
    assert.ok(VALID.includes(from), from);
    return { name, text: VALID.replace(from, () => to), place };
  }),
  { name: "signatures without trust", text: withoutTrust, place: "4:102 providers.local.signatures" },
]);

test("parseConfig refuses an empty trust policy, which differs from an absent one", () => {
  const rest = VALID.slice(VALID.indexOf("listen"));
  for (const [trust, fault] of [
    ["trust:", "trust: expected a mapping with the key keys, found nothing"],
    ["trust: {}", "trust.keys: expected a list of 1 to 16 keys, found nothing"],
    ["trust: { keys: [] }", "trust.keys: expected a list of 1 to 16 keys, found an empty list"],
    ["trust: { keys: 5, threshold: 20, revoked: [5, [6], { sha256: [7] }] }", "trust.keys: expected a list"],
  ] as const)
    assert.ok(refusal(`apiVersion: kleidi.dev/v1\n${trust}\n${rest}`).message.includes(fault), trust);
});

test("parseConfig refuses a secret key in place of the public one, and prints no secret of it", () => {
  // "Ed", "Sc", "B2", salt and limits of scrypt: 54 bytes that are not secret; then the key
  const secret = Buffer.concat([Buffer.from("EdScB2"), Buffer.alloc(48, 1), Buffer.alloc(104, 0xaa)]);
  const message = refusal(VALID.replace(A, secret.toString("base64"))).message;
  assert.match(message, /trust\.keys\[0\]\.key: expected a minisign public key/);
  assert.ok(!message.includes("qqqq"), message);
});
