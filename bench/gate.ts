/**
 * What the gate costs for each host call, apart from the way to it and from what is performed: an operation that does nothing,
 * called as it is and through decide → witness → perform.
 */
import { createGate, type Operation } from "../host/capabilities/gate.ts";
import { answer, type HostAnswer, type HostCall } from "../host/host-call.ts";
import { median, quantile } from "./figures.ts";

const ROUNDS = 200;
const CALLS = 1000;
const reply = answer(new Uint8Array(32));
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
  request: new Uint8Array(64),
  signal: new AbortController().signal,
};

function gateOf(operation: Operation) {
  return createGate({
    clients: new Map([["local", client]]),
    capabilities: { keystore: { open: operation } },
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
  const plan = operation(call, client);
  return "perform" in plan ? await plan.perform() : plan;
}

/** µs for one call, in each round. */
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
console.log(`One host call, medians of ${ROUNDS} rounds of ${CALLS} (to reach: the gate at most 20 µs):`);
console.table(rows);
