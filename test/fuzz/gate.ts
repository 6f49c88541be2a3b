/** Host calls of providers that ask for anything, in any order, of operations that do anything: host/broker/gate.ts. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { type Client, createGate, type Decision, type Operation } from "../../host/broker/gate.ts";
import type { Grants } from "../../host/broker/policy.ts";
import { answer, type HostAnswer, HostCode, type Rpc, refusal } from "../../host/host-call.ts";
import type { Target } from "./target.ts";

/** The two that follow are in each object's prototype. */
const WORDS = [
  "keystore",
  "state",
  "log",
  "seal",
  "get",
  "put",
  "write",
  "__proto__",
  "constructor",
  "toString",
  "",
] as const;
const RPCS: readonly Rpc[] = ["status", "encrypt", "decrypt", "provision"];
const MAX_BODY = 65_536;

/** How an operation behaves. */
type Behaviour =
  | {
      readonly kind: "performs";
      readonly how: "now" | "later" | "throws" | "rejects" | "never";
      readonly size: number;
    }
  | { readonly kind: "answers"; readonly code: number }
  | { readonly kind: "throws" };
interface Asked {
  readonly provider: string;
  readonly rpc: Rpc;
  readonly capability: string;
  readonly operation: string;
  readonly ordinal: number;
  readonly does: Behaviour;
  readonly witness: "hears" | "throws at the decision" | "throws at the outcome";
  readonly aborted: "no" | "before" | "while it is performed";
}

const word = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("keystore", "state", "log") },
  { weight: 1, arbitrary: fc.constantFrom(...WORDS) },
);
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("seal", "get", "write") },
  { weight: 1, arbitrary: fc.constantFrom(...WORDS) },
);
const rpc = fc.constantFrom(...RPCS);
const request = fc.record({
  capability: word,
  operations: fc.array(operation, { maxLength: 3 }),
  rpcs: fc.array(rpc, { maxLength: 4 }),
});
const rpcs = fc.option(fc.array(rpc, { maxLength: 3 }), { nil: undefined });
const grants = fc.record(
  {
    keystore: fc.record({ keys: fc.constant(["k"]), rpcs }),
    state: fc.record({ names: fc.constant(["n"]), rpcs }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<Grants>;
/** What the operations of the script need, and nothing is narrowed. */
const ALL = [
  ["keystore", "seal"],
  ["state", "get"],
  ["log", "write"],
] as const;
const generous = ALL.map(([capability, operation]) => ({
  capability,
  operations: [operation],
  rpcs: [...RPCS],
}));
const client: fc.Arbitrary<Client> = fc.record({
  requests: fc.oneof(
    { weight: 2, arbitrary: fc.constant(generous) },
    { weight: 1, arbitrary: fc.array(request, { maxLength: 5 }) },
  ),
  grants: fc.oneof(
    { weight: 2, arbitrary: fc.constant<Grants>({ keystore: { keys: ["k"] }, state: { names: ["n"] } }) },
    { weight: 1, arbitrary: grants },
  ),
  hostCalls: fc.integer({ min: 2, max: 4 }),
  hostCallsPerMinute: fc.integer({ min: 1, max: 5 }),
});
const what = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...ALL) },
  { weight: 1, arbitrary: fc.tuple(word, operation) },
);
const does: fc.Arbitrary<Behaviour> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("performs" as const),
      how: fc.constantFrom(
        "now" as const,
        "now" as const,
        "later" as const,
        "later" as const,
        "throws" as const,
        "rejects" as const,
        "never" as const,
      ),
      size: fc.constantFrom(0, 1, MAX_BODY, MAX_BODY + 1),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("answers" as const),
      code: fc.constantFrom(...Object.values(HostCode)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("throws" as const) }) },
);
const asked: fc.Arbitrary<Asked> = fc
  .record({
    what,
    provider: fc.constantFrom("a", "a", "a", "b", "b", "c", "__proto__"),
    rpc,
    ordinal: fc.integer({ min: 1, max: 5 }),
    does,
    witness: fc.constantFrom(
      "hears" as const,
      "hears" as const,
      "hears" as const,
      "throws at the decision" as const,
      "throws at the outcome" as const,
    ),
    aborted: fc.constantFrom(
      "no" as const,
      "no" as const,
      "no" as const,
      "before" as const,
      "while it is performed" as const,
    ),
  })
  .map(({ what: [capability, operation], ...rest }) => ({ ...rest, capability, operation }));
const script = fc.record({ a: client, b: client, calls: fc.array(asked, { minLength: 1, maxLength: 12 }) });

/** Whether manifest and grant allow it: the rules of docs/ABI.md, written a second time. */
function isAllowed(call: Asked, client: Client | undefined): boolean {
  const exists = { keystore: ["seal"], state: ["get"], log: ["write"] };
  const known = Object.entries(exists).some(
    ([name, operations]) => name === call.capability && operations.includes(call.operation),
  );
  if (client === undefined || !known) return false;
  const requested = client.requests.some(
    (row) =>
      row.capability === call.capability &&
      row.operations.includes(call.operation) &&
      row.rpcs.includes(call.rpc),
  );
  if (!requested) return false;
  if (call.capability === "log") return true;
  const grant = call.capability === "keystore" ? client.grants.keystore : client.grants.state;
  if (grant === undefined) return false;
  return call.rpc === "provision" || grant.rpcs === undefined || grant.rpcs.includes(call.rpc);
}

async function play(
  { a, b, calls }: { a: Client; b: Client; calls: readonly Asked[] },
  seen: (outcome: string) => void,
) {
  const clients = new Map([
    ["a", a],
    ["b", b],
  ]);
  let now: Asked | undefined;
  let over = new AbortController();
  const events: string[] = [];
  let decision: Decision | undefined;
  const perform: Operation = () => {
    const { does } = now as Asked;
    if (does.kind === "throws") throw new Error("the operation");
    if (does.kind === "answers") return refusal(does.code, "the operation says so");
    return { target: "t", perform: () => performed(does) };
  };
  const performed = (does: Extract<Behaviour, { kind: "performs" }>): HostAnswer | Promise<HostAnswer> => {
    events.push("perform");
    if (now?.aborted === "while it is performed") over.abort();
    const result = answer(new Uint8Array(does.size));
    if (does.how === "throws") throw new Error("the plan");
    if (does.how === "rejects") return Promise.reject(new Error("the plan, later"));
    if (does.how === "later") return turn(result);
    if (does.how === "never") {
      // a plan that does not end is given up with its guest's call
      setImmediate(() => over.abort());
      return new Promise(() => {});
    }
    return result;
  };
  const gate = createGate({
    clients,
    capabilities: { keystore: { seal: perform }, state: { get: perform }, log: { write: perform } },
    witness: {
      decided(told) {
        events.push(`decided ${told.verdict}`);
        decision = told;
        if (now?.witness === "throws at the decision") throw new Error("the witness");
      },
      performed() {
        events.push("performed");
        if (now?.witness === "throws at the outcome") throw new Error("the witness, later");
      },
      fault: () => events.push("fault"),
    },
  });
  const taken = new Map<string, number>();
  for (const call of calls) {
    now = call;
    over = new AbortController();
    if (call.aborted === "before") over.abort();
    events.length = 0;
    decision = undefined;
    const { provider, rpc, capability, operation, ordinal } = call;
    const signal = over.signal;
    const result = await gate({
      provider,
      rpc,
      capability,
      operation,
      ordinal,
      ordinalOfCapability: ordinal,
      request: new Uint8Array(),
      signal,
    });
    const client = clients.get(provider);
    const allowed = isAllowed(call, client);
    if (allowed && ordinal <= (client?.hostCalls ?? 0)) taken.set(provider, (taken.get(provider) ?? 0) + 1);
    assert.ok(Object.values(HostCode).includes(result.code as 0) && result.body.length <= MAX_BODY);
    if (result.code !== HostCode.OK) assert.equal(result.body.length, 0);
    assertOrder(events, call, decision);
    const budget = client?.hostCallsPerMinute ?? 0;
    const within = allowed && ordinal <= (client?.hostCalls ?? 0) && (taken.get(provider) ?? 0) <= budget;
    if (!allowed) {
      if (call.witness !== "throws at the decision") assert.equal(result.code, HostCode.DENIED);
      seen(events.includes("fault") ? "denied, not witnessed" : "denied");
    } else if (!within) {
      if (call.witness !== "throws at the decision") assert.equal(result.code, HostCode.LIMIT);
      seen(ordinal > (client?.hostCalls ?? 0) ? "over the call's budget" : "over the minute's budget");
    } else if (events.includes("perform")) seen(`performed: ${result.code}`);
    else seen(events.includes("fault") ? "fault, not performed" : `not performed: ${result.code}`);
    if (!within) assert.ok(!events.includes("perform"), "it is performed without authority");
  }
}

/** A plan is performed once, after it was decided on and witnessed; what is thrown is told, and nothing else is. */
function assertOrder(
  events: readonly string[],
  { witness, does }: Asked,
  decision: Decision | undefined,
): void {
  const performed = events.indexOf("perform");
  if (performed !== -1) {
    assert.equal(events.lastIndexOf("perform"), performed);
    assert.equal(events[performed - 1], "decided allowed");
    assert.notEqual(witness, "throws at the decision");
    assert.equal(decision?.target, "t");
  }
  assert.equal(
    events.filter((event) => event.startsWith("decided")).length,
    does.kind === "throws" && decision === undefined ? 0 : 1,
  );
  assert.ok(events.filter((event) => event === "fault").length <= 1);
}

export const gate: Target = {
  name: "gate",
  open: async (seen) => ({
    properties: [
      {
        name: "what is performed was requested, granted, within the budgets and witnessed before; every call has an answer",
        cases: 1500,
        reaches: [
          ...["denied", "denied, not witnessed", "over the call's budget", "over the minute's budget"],
          ...["performed: 0", "performed: 5", "fault, not performed", "not performed: 5"],
        ],
        property: fc.asyncProperty(script, (script) => play(script, seen)),
      },
    ],
  }),
};
