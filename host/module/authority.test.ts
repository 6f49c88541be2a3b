import assert from "node:assert/strict";
import { test } from "node:test";
import type { KnownCapabilities } from "../host-call.ts";
import { requestsOf, ungranted, unrequested } from "./authority.ts";
import type { Manifest } from "./manifest.ts";

const KNOWN: KnownCapabilities = new Map([
  ["log", { operations: ["write"], alwaysGranted: true }],
  ["tpm", { operations: ["enter", "transmit", "leave"], alwaysGranted: false }],
]);
const MANIFEST: Manifest = {
  abi: 1,
  name: "p",
  version: "1",
  capabilities: [
    { capability: "log", operations: ["write"], rpcs: ["status"], why: "to log" },
    { capability: "tpm", operations: ["enter", "leave"], rpcs: ["encrypt", "decrypt"], why: "to use a TPM" },
    { capability: "constructor", operations: ["call"], rpcs: ["status"], why: "to see what happens" },
  ],
};

test("ungranted returns the requested capabilities without a grant, except those always granted", () => {
  assert.deepEqual(ungranted(MANIFEST, {}, KNOWN), ["tpm", "constructor"]);
  assert.deepEqual(ungranted(MANIFEST, { tpm: {}, constructor: {} }, KNOWN), []);
  assert.deepEqual(ungranted(MANIFEST, { tpm: undefined }, KNOWN), ["tpm", "constructor"]);
});

test("unrequested returns the granted capabilities that the manifest does not request", () => {
  assert.deepEqual(unrequested(MANIFEST, { tpm: {}, net: {}, state: {} }), ["net", "state"]);
  assert.deepEqual(unrequested(MANIFEST, { tpm: {}, net: undefined }), []);
});

test("requestsOf returns one entry for each combination of operation and RPC", () => {
  assert.deepEqual(
    requestsOf(MANIFEST).map(({ rpc, capability, operation }) => `${rpc} ${capability} ${operation}`),
    [
      "status log write",
      ...["encrypt tpm enter", "decrypt tpm enter", "encrypt tpm leave", "decrypt tpm leave"],
      "status constructor call",
    ],
  );
});
