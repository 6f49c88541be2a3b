/**
 * The cost of the gate per host call, without the transport and the operation: an operation that does nothing,
 * called directly and through decide → witness → perform.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import type { Decide } from "../host/capabilities/capability.ts";
import { createGate } from "../host/capabilities/gate.ts";
import { answer, type HostAnswer, type HostCall } from "../host/host-call.ts";
import { KeystoreOpenRequestSchema } from "../proto/provider/v1/provider_pb.ts";
import { median, quantile } from "./figures.ts";

const ROUNDS = 200;
const CALLS = 1000;
const reply = answer(new Uint8Array(32));
type Operation = Decide<typeof KeystoreOpenRequestSchema, unknown>;
const nothing: Operation = () => ({ target: "kek", perform: () => reply });
const later: Operation = () => ({ target: "kek", perform: async () => reply });
const client = {
  requests: [
    { capability: "log", operations: ["write"], rpcs: ["status", "encrypt", "decrypt"] },
    { capability: "keystore", operations: ["info"], rpcs: ["status"] },
    { capability: "keystore", operations: ["seal"], rpcs: ["encrypt"] },
    { capability: "keystore", operations: ["open"], rpcs: ["decrypt"] },
  ],
  grants: { keystore: { keys: ["kek"] } },
  hostCalls: 64,
  hostCallsPerMinute: 1e9,
};
const call: HostCall = {
  provider: "local",
  rpc: "decrypt",
  ordinal: 1,
  ordinalOfCapability: 1,
  capability: "keystore",
  operation: "open",
  request: toBinary(
    KeystoreOpenRequestSchema,
    create(KeystoreOpenRequestSchema, { key: "kek", version: "1", sealed: new Uint8Array(60) }),
  ),
  signal: new AbortController().signal,
};

function gateOf(operation: Operation) {
  return createGate({
    clients: new Map([["local", client]]),
    capabilities: {
      keystore: { requests: { open: KeystoreOpenRequestSchema }, decide: { open: operation } },
    },
    alwaysGranted: new Set(),
    witness: {
      decided() {},
      performed() {},
      fault: (_call, error) => {
        throw error;
      },
    },
  });
}

async function bare(operation: Operation): Promise<HostAnswer> {
  const plan = operation(create(KeystoreOpenRequestSchema), call, client.grants.keystore);
  return "perform" in plan ? await plan.perform() : plan;
}

/** µs per call, in each round. */
async function measure(work: () => Promise<HostAnswer>): Promise<number[]> {
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    for (let i = 0; i < CALLS; i++) await work();
    rounds.push(((performance.now() - begun) * 1000) / CALLS);
  }
  return rounds;
}

const rows: Record<string, object> = {};
for (const [name, operation] of [
  ["answers at once", nothing],
  ["answers later", later],
] as const) {
  const gate = gateOf(operation);
  const without = await measure(() => bare(operation));
  const through = await measure(() => gate(call));
  rows[name] = {
    "without µs": median(without).toFixed(2),
    "through the gate µs": median(through).toFixed(2),
    "the gate µs": (median(through) - median(without)).toFixed(2),
    "p99 of rounds µs": quantile(through, 0.99).toFixed(2),
  };
}
console.log(`One host call, medians of ${ROUNDS} rounds of ${CALLS} (target: the gate at most 20 µs):`);
console.table(rows);
