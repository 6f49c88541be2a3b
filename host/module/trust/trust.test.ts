import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newSigner, type Signer } from "../../../test/support/minisign.ts";
import { assertSentences } from "../../../test/support/thrown.ts";
import { KleidiError } from "../../error.ts";
import type { SignatureFile } from "./files.ts";
import type { TrustedKey, TrustPolicy } from "./policy.ts";
import { checkTrust, trustLine, trustModule } from "./trust.ts";

const MODULE = randomBytes(5000);
const SHA256 = createHash("sha256").update(MODULE).digest("hex");
const NOW = new Date("2026-11-25T12:00:00Z");

const [alice, bob, carol, mallory] = [newSigner(), newSigner(), newSigner(), newSigner()];

function key(name: string, { publicKey }: Signer, expires?: string): TrustedKey {
  return { name, key: publicKey, ...(expires === undefined ? {} : { expires }) };
}

/** A policy that requires a signature by Alice. */
const ONE: TrustPolicy = { keys: [key("alice", alice)], threshold: 1, revoked: [] };
const TWO: TrustPolicy = {
  keys: [key("alice", alice), key("bob", bob), key("carol", carol)],
  threshold: 2,
  revoked: [],
};

/** Texts as files a, b, c … */
function files(...texts: string[]): SignatureFile[] {
  return texts.map((text, i) => ({ path: String.fromCharCode(97 + i), text }));
}

function check(policy: TrustPolicy, signatures: readonly SignatureFile[], now = NOW, bytes = MODULE) {
  return checkTrust(policy, "p", bytes, SHA256, signatures, now);
}

/** The message of the refusal after the provider's name, with the names of the keys in place of their random ids. */
function refusal(
  policy: TrustPolicy,
  signatures: readonly SignatureFile[],
  now = NOW,
  bytes = MODULE,
): string {
  try {
    check(policy, signatures, now, bytes);
  } catch (error) {
    assert.ok(error instanceof KleidiError, String(error));
    assert.equal(error.code, "module-untrusted");
    assert.ok(error.message.startsWith('Cannot load provider "p": '), error.message);
    return withoutIds(error.message.slice('Cannot load provider "p": '.length));
  }
  return assert.fail("it was admitted");
}

function withoutIds(text: string): string {
  return text
    .replaceAll(alice.keyId, "ALICE")
    .replaceAll(bob.keyId, "BOB")
    .replaceAll(mallory.keyId, "MALLORY")
    .replaceAll(SHA256, "SHA256");
}

test("checkTrust accepts a module signed with a key of the policy, and returns the signer", () => {
  assert.deepEqual(check(ONE, files(alice.sign(MODULE, { comment: "v1" }))), {
    threshold: 1,
    signers: [{ name: "alice", keyId: alice.keyId, trustedComment: "v1" }],
    ignored: [],
  });
});

test("checkTrust accepts a legacy signature", () => {
  assert.equal(check(ONE, files(alice.sign(MODULE, { legacy: true }))).signers.length, 1);
});

test("checkTrust accepts signatures by two of three keys in any order, and returns the rejected ones", () => {
  const { signers, ignored } = check(
    TWO,
    files(carol.sign(MODULE), mallory.sign(MODULE), alice.sign(MODULE)),
  );
  assert.deepEqual(
    signers.map(({ name }) => name),
    ["carol", "alice"],
  );
  assert.equal(ignored.length, 1);
  assert.match(
    ignored[0] ?? "",
    new RegExp(`^b was signed with the key ${mallory.keyId}, which is not in trust.keys; `),
  );
});

/** A signature that a policy requiring Alice's refuses. */
const REFUSED: readonly [string, SignatureFile, Partial<TrustPolicy>?][] = [
  ["a missing signature file", { path: "a", fault: "cannot be read (ENOENT); put it there" }],
  ["a signature of another module", { path: "a", text: alice.sign(MODULE.subarray(1)) }],
  [
    "a changed comment",
    {
      path: "a",
      text: alice.sign(MODULE, { comment: "expires:2026-01-01" }).replace("2026-01-01", "2036-01-01"),
    },
  ],
  ["a key that is not in the policy", { path: "a", text: mallory.sign(MODULE) }],
  [
    "a key with the id of a key in the policy",
    { path: "a", text: newSigner(Buffer.from(alice.keyId, "hex").reverse()).sign(MODULE) },
  ],
  ["another algorithm", { path: "a", text: alice.sign(MODULE, { algorithm: "EX" }) }],
  ["an expired key", { path: "a", text: alice.sign(MODULE) }, { keys: [key("alice", alice, "2026-11-24")] }],
  ["an expired signature", { path: "a", text: alice.sign(MODULE, { comment: "kleidi expires:2026-11-24" }) }],
  ["an invalid expiry", { path: "a", text: alice.sign(MODULE, { comment: "kleidi expires:2026-11-31" }) }],
  [
    "a revoked key",
    { path: "a", text: alice.sign(MODULE) },
    { revoked: [{ key: alice.keyId, why: "lost laptop" }] },
  ],
  [
    "a revoked key that is not in the policy",
    { path: "a", text: mallory.sign(MODULE) },
    { revoked: [{ key: mallory.keyId, why: "stolen" }] },
  ],
];
for (const [name, file, changes] of REFUSED) {
  test(`checkTrust refuses ${name}`, (t) => {
    const message = refusal({ ...ONE, ...changes }, [file]);
    assert.match(message, /\b1 key, 0 of 1 are valid: a /);
    assertSentences(t, { message });
  });
}

test("checkTrust refuses a module with any bit of it changed", () => {
  const signatures = files(alice.sign(MODULE));
  for (let at = 0; at < MODULE.length; at += 97) {
    const changed = Buffer.from(MODULE);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.match(
      refusal(ONE, signatures, NOW, changed),
      / 0 of 1 are valid: a does not verify with the key of alice /,
    );
  }
});

test("checkTrust refuses a revoked module, regardless of its signatures, with the reason", (t) => {
  const policy = { ...TWO, revoked: [{ sha256: SHA256, why: "reads too much (CVE-2026-1)" }] };
  const message = refusal(policy, files(alice.sign(MODULE), bob.sign(MODULE), carol.sign(MODULE)));
  assert.match(message, /SHA256.* revoked: reads too much \(CVE-2026-1\)/);
  assertSentences(t, { message });
});

test("checkTrust accepts a module signed with a revoked key if enough other keys signed it", () => {
  const policy = { ...TWO, revoked: [{ key: bob.keyId, why: "stolen" }] };
  const { signers, ignored } = check(policy, files(bob.sign(MODULE), alice.sign(MODULE), carol.sign(MODULE)));
  assert.equal(signers.length, 2);
  assert.match(ignored[0] ?? "", /^a was signed with the key .* revoked: stolen/);
});

test("checkTrust counts each key once", (t) => {
  const twice = files(alice.sign(MODULE), alice.sign(MODULE, { comment: "again", legacy: true }));
  const message = refusal(TWO, twice);
  assert.match(message, /\b1 of 2 are valid \(alice \(ALICE\)\): b /);
  assertSentences(t, { message });
});

test("checkTrust counts a key once if the policy has it under two ids", () => {
  const id = randomBytes(8);
  const raw = Buffer.from(alice.publicKey, "base64");
  const policy = {
    ...ONE,
    threshold: 2,
    keys: [
      key("alice", alice),
      { name: "twin", key: Buffer.concat([raw.subarray(0, 2), id, raw.subarray(10)]).toString("base64") },
    ],
  };
  const lines = alice.sign(MODULE).split("\n");
  const line = Buffer.from(lines[1] ?? "", "base64");
  id.copy(line, 2);
  lines[1] = line.toString("base64");
  assert.match(refusal(policy, files(alice.sign(MODULE), lines.join("\n"))), /each key counts once$/);
});

test("checkTrust names the valid signers and the reason of each rejection if too few are valid", (t) => {
  const message = refusal(TWO, files(bob.sign(MODULE), "", mallory.sign(MODULE)));
  assert.match(message, /by 2 different keys, 1 of 2 are valid \(bob \(BOB\)\): b .*; c .*MALLORY/);
  assertSentences(t, { message });
});

test("checkTrust asks for more signatures if all present ones are valid", (t) => {
  const message = refusal(TWO, files(bob.sign(MODULE)));
  assert.match(message, /\b1 of 2 are valid \(bob \(BOB\)\): /);
  assertSentences(t, { message });
});

test("checkTrust accepts nothing under an invalid threshold", () => {
  for (const threshold of [0, -1, Number.NaN]) refusal({ ...ONE, threshold }, []);
});

test("a key and a signature are valid until the end of their last day in UTC", () => {
  const policy = { ...ONE, keys: [key("alice", alice, "2027-06-30")] };
  const signed = files(alice.sign(MODULE, { comment: "x expires:2027-01-31" }));
  assert.equal(check(policy, signed, new Date("2027-01-31T23:59:59.999Z")).signers[0]?.expires, "2027-01-31");
  assert.match(
    refusal(policy, signed, new Date("2027-02-01T00:00:00Z")),
    /a expired at the end of 2027-01-31/,
  );

  const longer = files(alice.sign(MODULE, { comment: "x expires:2028-01-31" }));
  assert.equal(check(policy, longer, new Date("2027-06-30T23:59:59.999Z")).signers[0]?.expires, "2027-06-30");
  assert.match(
    refusal(policy, longer, new Date("2027-07-01T00:00:00Z")),
    /which expired at the end of 2027-06-30/,
  );
});

test("a signature by either of two overlapping keys is enough", () => {
  const policy = { ...ONE, keys: [key("alice", alice, "2026-12-31"), key("bob", bob)] };
  assert.equal(check(policy, files(alice.sign(MODULE))).signers[0]?.name, "alice");
  assert.equal(check(policy, files(bob.sign(MODULE))).signers[0]?.name, "bob");
  const both = files(alice.sign(MODULE), bob.sign(MODULE));
  assert.equal(check(policy, both, new Date("2027-01-01T00:00:00Z")).signers[0]?.name, "bob");
});

test("trustLine names the signers, their expiry, and the rejected signatures", (t) => {
  const trusted = check(TWO, [
    ...files(alice.sign(MODULE, { comment: "expires:2027-01-31" }), bob.sign(MODULE)),
    { path: "c", fault: "cannot be read (EACCES); let it" },
  ]);
  const several = withoutIds(trustLine(trusted));
  assert.match(
    several,
    /alice \(ALICE\) until 2027-01-31, bob \(BOB\), 2 .*: c cannot be read \(EACCES\); let it$/,
  );
  const one = withoutIds(trustLine(check(ONE, files(alice.sign(MODULE)))));
  assertSentences(t, { "no policy": trustLine(undefined), one, several });
});

// ---- from files ----

const folder = mkdtempSync(join(tmpdir(), "kleidi-trust-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("trustModule reads the signature beside the module, or the configured ones", () => {
  const module = join(folder, "m.wasm");
  writeFileSync(`${module}.minisig`, alice.sign(MODULE));
  assert.equal(trustModule(ONE, { name: "p", module }, MODULE, SHA256).signers[0]?.name, "alice");

  const elsewhere = join(folder, "elsewhere");
  assert.throws(() => trustModule(ONE, { name: "p", module, signatures: [elsewhere] }, MODULE, SHA256), {
    code: "module-untrusted",
    message: /0 of 1 are valid: \S+elsewhere cannot be read \(ENOENT\); /,
  });
});

test("checkTrust refuses an invalid key in the policy", (t) => {
  const policy = { ...ONE, keys: [{ name: "alice", key: "RWQ" }] };
  assertSentences(t, { message: refusal(policy, files(alice.sign(MODULE))) });
});
