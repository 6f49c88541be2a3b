import assert from "node:assert/strict";
import { test } from "node:test";
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
const NOT_REQUESTED = "its manifest does not request it";
const NOT_GRANTED = "the configuration does not grant it";
const NARROWED: Grants = { keystore: { keys: ["main"], rpcs: ["decrypt"] } };

const TABLE: [HostCall["rpc"], string, string, Grants, string | undefined][] = [
  ["encrypt", "keystore", "seal", KEYSTORE, undefined],
  ["encrypt", "keystore", "info", KEYSTORE, undefined],
  ["decrypt", "keystore", "open", KEYSTORE, undefined],
  ["decrypt", "keystore", "seal", KEYSTORE, NOT_REQUESTED],
  ["encrypt", "keystore", "open", KEYSTORE, NOT_REQUESTED],
  ["status", "keystore", "info", KEYSTORE, NOT_REQUESTED],
  ["encrypt", "keystore", "delete", KEYSTORE, NOT_REQUESTED],
  ["encrypt", "keystore", "", KEYSTORE, NOT_REQUESTED],
  ["encrypt", "http", "seal", KEYSTORE, NOT_REQUESTED],
  ["encrypt", "__proto__", "seal", KEYSTORE, NOT_REQUESTED],
  ["encrypt", "keystore", "seal", {}, NOT_GRANTED],
  ["encrypt", "keystore", "seal", Object.create(KEYSTORE), NOT_GRANTED],
  ["encrypt", "log", "write", {}, undefined],
  ["status", "log", "write", KEYSTORE, undefined],
  ["decrypt", "log", "write", KEYSTORE, NOT_REQUESTED],
  ["decrypt", "keystore", "open", NARROWED, undefined],
  ["encrypt", "keystore", "seal", NARROWED, "the configuration grants it in decrypt only"],
  ["decrypt", "keystore", "seal", NARROWED, NOT_REQUESTED],
  ["provision", "keystore", "info", NARROWED, undefined],
  ["provision", "keystore", "info", {}, NOT_GRANTED],
  ["provision", "keystore", "open", KEYSTORE, NOT_REQUESTED],
];

for (const [rpc, capability, operation, grants, reason] of TABLE) {
  const granted = Object.entries(grants).map(
    ([name, grant]) => `${name} ${grant && "rpcs" in grant ? grant.rpcs : ""}`,
  );
  const what = `${capability} ${operation} in ${rpc} with ${granted.join() || "nothing"} granted`;
  test(`decide on ${what}: ${reason ?? "allowed"}`, () => {
    const verdict = decide({ rpc, capability, operation }, REQUESTS, grants, ALWAYS_GRANTED);
    if (reason === undefined) {
      const rule = capability === "log" ? "always granted" : "grants.keystore";
      assert.deepEqual(verdict, { allowed: true, rule });
    } else {
      const said = `kleidi:${capability} ${operation} in ${rpc}: ${reason}`;
      assert.deepEqual(verdict, { allowed: false, reason: said });
    }
  });
}

test("decide on anything for a manifest without rows: denied", () => {
  const call = { rpc: "encrypt", capability: "log", operation: "write" } as const;
  const reason = `kleidi:log write in encrypt: ${NOT_REQUESTED}`;
  assert.deepEqual(decide(call, [], KEYSTORE, ALWAYS_GRANTED), { allowed: false, reason });
});
