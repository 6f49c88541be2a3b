import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../../test/support/fixture.ts";
import { CC } from "./commands.ts";
import type { TpmFacts } from "./examine.ts";
import { ALG, featuresOf, needFindings, P256 } from "./features.ts";

const { needs } = JSON.parse(readFileSync(join(root, "providers/tpm/provider.json"), "utf8"));
const FACTS: TpmFacts = {
  commands: new Set(Object.values(CC)),
  algorithms: new Set(Object.values(ALG)),
  curves: new Set([P256]),
  aes128Cfb: true,
  banks: [],
  properties: new Map(),
};
const findings = (facts: Partial<TpmFacts>) =>
  needFindings("TPM x", "tpm", needs, featuresOf({ ...FACTS, ...facts }));
const without = (...codes: number[]) => ({
  commands: new Set([...FACTS.commands].filter((code) => !codes.includes(code))),
});
const MISSING: readonly (readonly [
  subject: string,
  facts: Partial<TpmFacts>,
  ok: boolean,
  detail: RegExp,
])[] = [
  [
    "a command of every key",
    without(CC.Create),
    false,
    /^it does not have TPM2_Create, needed for every key$/,
  ],
  [
    "both schemes",
    without(CC.HMAC, CC.Unseal),
    false,
    /^it does not have TPM2_HMAC or TPM2_Unseal, needed for every key$/,
  ],
  [
    "the default scheme",
    without(CC.HMAC),
    true,
    /^it does not have TPM2_HMAC, needed for keys of the default scheme/,
  ],
  [
    "the other scheme",
    without(CC.Unseal),
    true,
    /^it does not have TPM2_Unseal, needed for keys of the scheme sealed$/,
  ],
  [
    "policies of PCRs",
    without(CC.PolicyPCR),
    true,
    /^it does not have TPM2_PolicyPCR, needed for keys with PCRs$/,
  ],
  ["the curve", { curves: new Set() }, false, /ECC P-256/],
  ["AES-128-CFB, where it was tried", { aes128Cfb: false }, false, /AES-128-CFB/],
  ["SHA-256", { algorithms: new Set([ALG.ECC, ALG.AES, ALG.CFB, ALG.HMAC]) }, false, /SHA-256/],
];
for (const [subject, facts, ok, detail] of MISSING) {
  test(`the needs of the tpm provider before a TPM without ${subject}`, () => {
    const [first] = findings(facts);
    assert.equal(first?.ok, ok);
    assert.match(first?.detail ?? "", detail);
    assert.equal(first?.hint !== undefined, !ok);
  });
}

test("a TPM with every feature meets the needs of the tpm provider, and AES that could not be tried counts as there", () => {
  for (const aes128Cfb of [true, undefined])
    assert.deepEqual(findings({ aes128Cfb }), [
      { subject: "TPM x for provider tpm", ok: true, detail: "it has every feature that the provider needs" },
    ]);
});

test("a feature that the host does not know counts as missing, and a provider without needs has no finding", () => {
  const unknown = [{ features: ["TPM2_TimeTravel"], why: "every key" }];
  assert.deepEqual(
    needFindings("TPM x", "p", unknown, featuresOf(FACTS)).map(({ ok }) => ok),
    [false],
  );
  assert.deepEqual(needFindings("TPM x", "p", [], featuresOf(FACTS)), []);
});
