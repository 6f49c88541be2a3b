import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostCall } from "../host-call.ts";
import { denial, type Grants, type Request } from "./policy.ts";

const REQUESTS: Request[] = [
  { capability: "log", operations: ["write"], rpcs: ["status", "encrypt"] },
  { capability: "keystore", operations: ["seal", "info"], rpcs: ["encrypt"] },
  { capability: "keystore", operations: ["open"], rpcs: ["decrypt"] },
];
const KEYSTORE: Grants = { keystore: { keys: ["main"] } };
const NOT_REQUESTED = "its manifest does not request it";
const NOT_GRANTED = "the configuration does not grant it";

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
];

for (const [rpc, capability, operation, grants, reason] of TABLE) {
  const granted = Object.keys(grants).join() || "nothing";
  test(`denial of ${capability} ${operation} in ${rpc} with ${granted} granted: ${reason ?? "none"}`, () => {
    const call = {
      provider: "p",
      rpc,
      ordinal: 1,
      ordinalOfCapability: 1,
      capability,
      operation,
      request: new Uint8Array(),
    };
    const expected =
      reason === undefined ? undefined : `kleidi:${capability} ${operation} in ${rpc}: ${reason}`;
    assert.equal(denial(call, REQUESTS, grants), expected);
  });
}

test("denial of anything for a manifest without rows", () => {
  const call = {
    provider: "p",
    rpc: "encrypt" as const,
    ordinal: 1,
    ordinalOfCapability: 1,
    capability: "log",
    operation: "write",
    request: new Uint8Array(),
  };
  assert.equal(denial(call, [], KEYSTORE), `kleidi:log write in encrypt: ${NOT_REQUESTED}`);
});
