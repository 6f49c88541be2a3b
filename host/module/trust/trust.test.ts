import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { newSigner, type Signer } from "../../../test/support/minisign.ts";
import { KleidiError } from "../../error.ts";
import type { SignatureFile } from "./files.ts";
import type { TrustedKey, TrustPolicy } from "./policy.ts";
import { checkTrust, trustLine, trustModule } from "./trust.ts";

const MODULE = randomBytes(5000);
const SHA256 = createHash("sha256").update(MODULE).digest("hex");
const NOW = new Date("2026-11-25T12:00:00Z");

const [alice, bob, carol, mallory] = [newSigner(), newSigner(), newSigner(), newSigner()];
const A = `alice (${alice.keyId})`;
const B = `bob (${bob.keyId})`;

function key(name: string, { publicKey }: Signer, expires?: string): TrustedKey {
  return { name, key: publicKey, ...(expires === undefined ? {} : { expires }) };
}

/** Alice alone is enough. */
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

/** What is said behind the provider's name. */
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
    return error.message.slice('Cannot load provider "p": '.length);
  }
  return assert.fail("it was let in");
}

const NONE_OF_ONE = "trust asks for signatures of its module by 1 key, 0 of 1 count: ";

test("checkTrust lets in a module that a key of the policy signed, and says who did", () => {
  assert.deepEqual(check(ONE, files(alice.sign(MODULE, { comment: "v1" }))), {
    threshold: 1,
    signers: [{ name: "alice", keyId: alice.keyId, trustedComment: "v1" }],
    ignored: [],
  });
});

test("checkTrust lets in a module with a legacy signature", () => {
  assert.equal(check(ONE, files(alice.sign(MODULE, { legacy: true }))).signers.length, 1);
});

test("checkTrust lets in a module that two of three keys signed, in any order, and names what does not count", () => {
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
    new RegExp(`^b is by the key ${mallory.keyId}, which is not in trust.keys; `),
  );
});

/** One signature under a policy that asks for Alice's, and what is said of it. */
const REFUSED: readonly [string, SignatureFile, string, Partial<TrustPolicy>?][] = [
  [
    "no signature file",
    { path: "a", fault: "cannot be read (ENOENT); put it there" },
    "a cannot be read (ENOENT); put it there",
  ],
  [
    "a signature of another module",
    { path: "a", text: alice.sign(MODULE.subarray(1)) },
    `a is not what ${A} signed for this module: one of the two was changed, or they are of different versions; get both again from the publisher`,
  ],
  [
    "a changed comment",
    {
      path: "a",
      text: alice.sign(MODULE, { comment: "expires:2026-01-01" }).replace("2026-01-01", "2036-01-01"),
    },
    `a does not have the trusted comment that ${A} signed: it was changed; get it again from the publisher`,
  ],
  [
    "a key that is not in the policy",
    { path: "a", text: mallory.sign(MODULE) },
    `a is by the key ${mallory.keyId}, which is not in trust.keys; add it only if its owner told you of it in another way`,
  ],
  [
    "a key that bears the id of one in the policy",
    { path: "a", text: newSigner(Buffer.from(alice.keyId, "hex").reverse()).sign(MODULE) },
    `a is not what ${A} signed for this module: one of the two was changed, or they are of different versions; get both again from the publisher`,
  ],
  [
    "another algorithm",
    { path: "a", text: alice.sign(MODULE, { algorithm: "EX" }) },
    'a is no signature of minisign: it has the signature algorithm "EX"; only "Ed" and "ED" are known; get it again from the publisher',
  ],
  [
    "an expired key",
    { path: "a", text: alice.sign(MODULE) },
    `a is by alice (${alice.keyId}), which expired with 2026-11-24; have it signed by a newer key`,
    { keys: [key("alice", alice, "2026-11-24")] },
  ],
  [
    "an expired signature",
    { path: "a", text: alice.sign(MODULE, { comment: "kleidi expires:2026-11-24" }) },
    "a expired with 2026-11-24; get a newer signature or a newer module",
  ],
  [
    "an expiry that cannot be read",
    { path: "a", text: alice.sign(MODULE, { comment: "kleidi expires:2026-11-31" }) },
    'a says "expires:2026-11-31", which is not one expires:YYYY-MM-DD; have it signed again',
  ],
  [
    "a revoked key",
    { path: "a", text: alice.sign(MODULE) },
    `a is by the key ${alice.keyId}, which is revoked: lost laptop; have it signed by another`,
    { revoked: [{ key: alice.keyId, why: "lost laptop" }] },
  ],
  [
    "a revoked key that is not in the policy",
    { path: "a", text: mallory.sign(MODULE) },
    `a is by the key ${mallory.keyId}, which is revoked: stolen; have it signed by another`,
    { revoked: [{ key: mallory.keyId, why: "stolen" }] },
  ],
];
for (const [name, file, said, changes] of REFUSED) {
  test(`checkTrust refuses ${name}`, () => {
    assert.equal(refusal({ ...ONE, ...changes }, [file]), NONE_OF_ONE + said);
  });
}

test("checkTrust refuses a module with any bit of it changed", () => {
  const signatures = files(alice.sign(MODULE));
  for (let at = 0; at < MODULE.length; at += 97) {
    const changed = Buffer.from(MODULE);
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.match(refusal(ONE, signatures, NOW, changed), /^trust asks .* 0 of 1 count: a is not what alice /);
  }
});

test("checkTrust refuses a revoked module, whoever signed it, and says why it is", () => {
  const policy = { ...TWO, revoked: [{ sha256: SHA256, why: "reads too much (CVE-2026-1)" }] };
  const said = refusal(policy, files(alice.sign(MODULE), bob.sign(MODULE), carol.sign(MODULE)));
  assert.equal(
    said,
    `its module, sha256 ${SHA256}, is revoked: reads too much (CVE-2026-1); use another version of it`,
  );
});

test("checkTrust lets in a module that a revoked key signed, if enough others did", () => {
  const policy = { ...TWO, revoked: [{ key: bob.keyId, why: "stolen" }] };
  const { signers, ignored } = check(policy, files(bob.sign(MODULE), alice.sign(MODULE), carol.sign(MODULE)));
  assert.equal(signers.length, 2);
  assert.match(ignored[0] ?? "", /^a is by the key .* revoked: stolen/);
});

test("checkTrust counts the same key once", () => {
  const said = refusal(
    TWO,
    files(alice.sign(MODULE), alice.sign(MODULE, { comment: "again", legacy: true })),
  );
  assert.equal(
    said,
    `trust asks for signatures of its module by 2 different keys, 1 of 2 count (${A}): b is by ${A} too, and a key counts once`,
  );
});

test("checkTrust counts a key once that stands in the policy under two ids", () => {
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
  assert.match(refusal(policy, files(alice.sign(MODULE), lines.join("\n"))), /a key counts once$/);
});

test("checkTrust says who counted when too few did, and why each other one did not", () => {
  const said = refusal(TWO, files(bob.sign(MODULE), "", mallory.sign(MODULE)));
  assert.match(
    said,
    new RegExp(
      `by 2 different keys, 1 of 2 count \\(bob \\(${bob.keyId}\\)\\): b is no signature of minisign: it has 0 lines, a signature has 4; .*; c is by the key ${mallory.keyId}, `,
    ),
  );
});

test("checkTrust says that more keys must sign when all that is there counts", () => {
  assert.equal(
    refusal(TWO, files(bob.sign(MODULE))),
    `trust asks for signatures of its module by 2 different keys, 1 of 2 count (${B}): sign it with 1 more of trust.keys`,
  );
});

test("checkTrust lets nothing in under a threshold that is no number from 1", () => {
  for (const threshold of [0, -1, Number.NaN]) refusal({ ...ONE, threshold }, []);
});

test("a key and a signature count to the end of their last day in UTC", () => {
  const policy = { ...ONE, keys: [key("alice", alice, "2027-06-30")] };
  const signed = files(alice.sign(MODULE, { comment: "x expires:2027-01-31" }));
  assert.equal(check(policy, signed, new Date("2027-01-31T23:59:59.999Z")).signers[0]?.expires, "2027-01-31");
  assert.match(refusal(policy, signed, new Date("2027-02-01T00:00:00Z")), /a expired with 2027-01-31/);

  const longer = files(alice.sign(MODULE, { comment: "x expires:2028-01-31" }));
  assert.equal(check(policy, longer, new Date("2027-06-30T23:59:59.999Z")).signers[0]?.expires, "2027-06-30");
  assert.match(refusal(policy, longer, new Date("2027-07-01T00:00:00Z")), /which expired with 2027-06-30/);
});

test("while two keys overlap, the signature of either is enough", () => {
  const policy = { ...ONE, keys: [key("alice", alice, "2026-12-31"), key("bob", bob)] };
  assert.equal(check(policy, files(alice.sign(MODULE))).signers[0]?.name, "alice");
  assert.equal(check(policy, files(bob.sign(MODULE))).signers[0]?.name, "bob");
  const both = files(alice.sign(MODULE), bob.sign(MODULE));
  assert.equal(check(policy, both, new Date("2027-01-01T00:00:00Z")).signers[0]?.name, "bob");
});

test("trustLine says who signed, until when, and what does not count", () => {
  assert.equal(trustLine(undefined), "not signed: no trust in the configuration");
  assert.equal(trustLine(check(ONE, files(alice.sign(MODULE)))), `signed by ${A}, 1 needed`);
  const trusted = check(TWO, [
    ...files(alice.sign(MODULE, { comment: "expires:2027-01-31" }), bob.sign(MODULE)),
    { path: "c", fault: "cannot be read (EACCES); let it" },
  ]);
  assert.equal(
    trustLine(trusted),
    `signed by ${A} until 2027-01-31, ${B}, 2 needed; does not count: c cannot be read (EACCES); let it`,
  );
});

// ---- from files ----

const folder = mkdtempSync(join(tmpdir(), "kleidi-trust-"));
after(() => rmSync(folder, { recursive: true, force: true }));

test("trustModule reads the signature beside the module, unless others are named", () => {
  const module = join(folder, "m.wasm");
  writeFileSync(`${module}.minisig`, alice.sign(MODULE));
  assert.equal(trustModule(ONE, { name: "p", module }, MODULE, SHA256).signers[0]?.name, "alice");

  const elsewhere = join(folder, "elsewhere");
  assert.throws(() => trustModule(ONE, { name: "p", module, signatures: [elsewhere] }, MODULE, SHA256), {
    code: "module-untrusted",
    message: `Cannot load provider "p": ${NONE_OF_ONE}${elsewhere} cannot be read (ENOENT); get the signature from the publisher, or make it with "minisign -S", and put it there`,
  });
});

test("checkTrust refuses in its own words where a key of the policy is not one", () => {
  const policy = { ...ONE, keys: [{ name: "alice", key: "RWQ" }] };
  assert.equal(
    refusal(policy, files(alice.sign(MODULE))),
    `${NONE_OF_ONE}a cannot be looked at: of alice in trust.keys, has no canonical base64 at the key; replace that key`,
  );
});
