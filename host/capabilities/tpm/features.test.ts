import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../../test/support/fixture.ts";
import { assertSentence } from "../../../test/support/thrown.ts";
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
const MISSING: readonly (readonly [feature: string, facts: Partial<TpmFacts>, ok: boolean])[] = [
  ["a command of every key", without(CC.Create), false],
  ["both schemes", without(CC.HMAC, CC.Unseal), false],
  ["the default scheme", without(CC.HMAC), true],
  ["the other scheme", without(CC.Unseal), true],
  ["policies of PCRs", without(CC.PolicyPCR), true],
  ["the curve", { curves: new Set() }, false],
  ["AES-128-CFB, if it was tested", { aes128Cfb: false }, false],
  ["SHA-256", { algorithms: new Set([ALG.ECC, ALG.AES, ALG.CFB, ALG.HMAC]) }, false],
];
for (const [feature, facts, ok] of MISSING) {
  test(`the needs of the tpm provider before a TPM without ${feature}`, (t) => {
    const [first] = findings(facts);
    assert.equal(first?.ok, ok);
    assertSentence(t, first?.detail ?? "");
    assert.equal(first?.hint !== undefined, !ok);
  });
}

test("a TPM with every feature meets the needs of the tpm provider, and AES that could not be tested counts as present", (t) => {
  for (const aes128Cfb of [true, undefined]) {
    const [first, ...others] = findings({ aes128Cfb });
    assert.deepEqual([first?.subject, first?.ok, first?.hint], ["TPM x for provider tpm", true, undefined]);
    assert.deepEqual(others, []);
    assertSentence(t, first?.detail ?? "");
  }
});

test("an unknown feature counts as missing, and a provider without needs has no finding", () => {
  const unknown = [{ features: ["TPM2_TimeTravel"], why: "every key" }];
  assert.deepEqual(
    needFindings("TPM x", "p", unknown, featuresOf(FACTS)).map(({ ok }) => ok),
    [false],
  );
  assert.deepEqual(needFindings("TPM x", "p", [], featuresOf(FACTS)), []);
});
