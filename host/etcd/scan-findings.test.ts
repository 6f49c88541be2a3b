/** The sentences of a scan, in one snapshot. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { leftFindings } from "./left-findings.ts";
import type { Scan } from "./scan.ts";
import { scanFindings } from "./scan-findings.ts";
import { scanReport } from "./scan-report.ts";
import type { Group } from "./tally.ts";

const kms = (keyId: string, count: number, names: string[] = ["/registry/secrets/default/a"]): Group => ({
  resource: "secrets",
  stored: { kind: "kms-v2", provider: "kleidi", keyId },
  count,
  names,
});
const GROUPS: readonly Group[] = [
  kms("k1.active", 3),
  kms("k1.older", 1),
  kms(
    "arn:aws:kms:\u0007eu",
    7,
    Array.from({ length: 7 }, (_, i) => `/registry/secrets/default/${i}\u001b[2J`),
  ),
  { resource: "secrets", stored: { kind: "clear" }, count: 2, names: ["/registry/secrets/default/c"] },
  {
    resource: "secrets",
    stored: { kind: "damaged", problem: "it is empty" },
    count: 1,
    names: ["/registry/secrets/default/d: it is empty"],
  },
  {
    resource: "secrets",
    stored: { kind: "other", transformer: "aescbc v1", name: "key1" },
    count: 1,
    names: [],
  },
  { resource: "configmaps", stored: { kind: "clear" }, count: 40, names: [] },
  { resource: "deployments", stored: { kind: "clear" }, count: 4, names: [] },
];
const SCAN: Scan = {
  revision: 9,
  objects: 59,
  groups: GROUPS,
  faults: ["page 7: two pages lead to it"],
  faultCount: 1,
  checksum: false,
};
const KEYS = new Map([
  ["k1.active", { name: "kek-2027", state: "active" as const }],
  ["k1.older", { name: "kek-2026", state: "older" as const }],
]);

test("each group has its sentence and its remedy", (t) => {
  t.assert.snapshot(scanFindings(SCAN, { source: "snapshot.db", keys: KEYS, encrypted: ["secrets"] }));
  t.assert.snapshot(
    scanFindings(
      { ...SCAN, groups: [kms("k1.active", 1)], faultCount: 0, checksum: true },
      { source: "snapshot.db", keys: undefined, encrypted: [] },
    ),
  );
});

test("the resources that must be encrypted are compared without the group of a built-in resource", () => {
  const findings = scanFindings(SCAN, { source: "s", keys: KEYS, encrypted: ["deployments.apps"] });
  const failed = findings.filter(({ ok, subject }) => !ok && subject === "deployments");
  assert.deepEqual(
    failed.map(({ detail }) => detail.slice(0, 18)),
    ["4 objects in clear"],
  );
});

test("objects of another plugin are named as its own, whether a key can read them or not", (t) => {
  const foreign = (keyId: string, name?: "vault-kubernetes-kms" | "kleidi-go-vault"): Group => {
    const stored = { kind: "kms-v2", provider: "vault", keyId, foreign: name } as const;
    return { resource: "secrets", stored, count: 2, names: ["/registry/secrets/default/a"] };
  };
  const groups = [
    foreign("2", "vault-kubernetes-kms"),
    foreign("3", "vault-kubernetes-kms"),
    // The key_id of a key, and not its annotations.
    foreign("2"),
    foreign("kleidi-kms-plugin_1_1756412535", "kleidi-go-vault"),
  ];
  const scan = { ...SCAN, groups, faultCount: 0, checksum: undefined };
  const key = { name: "old", state: "older", foreign: "vault-kubernetes-kms" } as const;
  const keys = new Map([...KEYS, ["2", key] as const]);
  t.assert.snapshot(scanFindings(scan, { source: "s", keys, encrypted: [] }));
  t.assert.snapshot(scanFindings(scan, { source: "s", keys: undefined, encrypted: [] }));
  t.assert.snapshot(scanReport(scan, { source: "s", keys, encrypted: [] }));
});

test("the report for programs names no object in clear", (t) => {
  t.assert.snapshot(
    scanReport({ ...SCAN, groups: GROUPS.slice(1, 4) }, { source: "s", keys: KEYS, encrypted: [] }),
  );
});

test("of migrated resources, everything but an object under the active key is left", (t) => {
  const migrated = { source: "s", resources: ["secrets"], active: "k1.active" };
  t.assert.snapshot(leftFindings({ ...SCAN, checksum: true, faultCount: 0 }, migrated));
  t.assert.snapshot(
    leftFindings({ ...SCAN, groups: [kms("k1.active", 3)], checksum: undefined, faultCount: 0 }, migrated),
  );
  t.assert.snapshot(leftFindings({ ...SCAN, groups: [], checksum: undefined, faultCount: 0 }, migrated));
  const damaged = leftFindings({ ...SCAN, groups: [kms("k1.active", 3)] }, migrated);
  assert.ok(
    damaged.every(({ ok }) => !ok),
    "a damaged store proves nothing",
  );
});
