import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSentence } from "../../test/support/thrown.ts";
import type { HostCall } from "../host-call.ts";
import { decide, type Grants, type Request } from "./policy.ts";

const ALWAYS_GRANTED = new Set(["log"]);
const REQUESTS: Request[] = [
  { capability: "log", operations: ["write"], rpcs: ["status", "encrypt"] },
  { capability: "keystore", operations: ["seal", "info"], rpcs: ["encrypt"] },
  { capability: "keystore", operations: ["open"], rpcs: ["decrypt"] },
  { capability: "keystore", operations: ["info"], rpcs: ["provision"] },
];
const KEYSTORE: Grants = { keystore: { keys: ["main"] } };
const NARROWED: Grants = { keystore: { keys: ["main"], rpcs: ["decrypt"] } };

type Outcome = "allowed" | "not requested" | "not granted" | "narrowed";
const TABLE: [HostCall["rpc"], string, string, Grants, Outcome][] = [
  ["encrypt", "keystore", "seal", KEYSTORE, "allowed"],
  ["encrypt", "keystore", "info", KEYSTORE, "allowed"],
  ["decrypt", "keystore", "open", KEYSTORE, "allowed"],
  ["decrypt", "keystore", "seal", KEYSTORE, "not requested"],
  ["encrypt", "keystore", "open", KEYSTORE, "not requested"],
  ["status", "keystore", "info", KEYSTORE, "not requested"],
  ["encrypt", "keystore", "delete", KEYSTORE, "not requested"],
  ["encrypt", "keystore", "", KEYSTORE, "not requested"],
  ["encrypt", "http", "seal", KEYSTORE, "not requested"],
  ["encrypt", "__proto__", "seal", KEYSTORE, "not requested"],
  ["encrypt", "keystore", "seal", {}, "not granted"],
  ["encrypt", "keystore", "seal", Object.create(KEYSTORE), "not granted"],
  ["encrypt", "log", "write", {}, "allowed"],
  ["status", "log", "write", KEYSTORE, "allowed"],
  ["decrypt", "log", "write", KEYSTORE, "not requested"],
  ["decrypt", "keystore", "open", NARROWED, "allowed"],
  ["encrypt", "keystore", "seal", NARROWED, "narrowed"],
  ["decrypt", "keystore", "seal", NARROWED, "not requested"],
  ["provision", "keystore", "info", NARROWED, "allowed"],
  ["provision", "keystore", "info", {}, "not granted"],
  ["provision", "keystore", "open", KEYSTORE, "not requested"],
];

for (const [rpc, capability, operation, grants, outcome] of TABLE) {
  const granted = Object.entries(grants).map(
    ([name, grant]) => `${name} ${grant && "rpcs" in grant ? grant.rpcs : ""}`,
  );
  const what = `${capability} ${operation} in ${rpc} with ${granted.join() || "nothing"} granted`;
  test(`decide on ${what}: ${outcome}`, (t) => {
    const verdict = decide({ rpc, capability, operation }, REQUESTS, grants, ALWAYS_GRANTED);
    if (outcome === "allowed") {
      const rule = capability === "log" ? "always granted" : "grants.keystore";
      assert.deepEqual(verdict, { allowed: true, rule });
    } else {
      assert.ok(!verdict.allowed);
      assertSentence(t, verdict.reason);
    }
  });
}

test("decide for a manifest without rows: denied", (t) => {
  const call = { rpc: "encrypt", capability: "log", operation: "write" } as const;
  const verdict = decide(call, [], KEYSTORE, ALWAYS_GRANTED);
  assert.ok(!verdict.allowed);
  assertSentence(t, verdict.reason);
});
