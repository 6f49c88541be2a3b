/** Arbitrary host calls of providers, in any order, to operations with arbitrary behaviour: host/capabilities/gate.ts. */
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import type { Decide } from "../../host/capabilities/capability.ts";
import { type Client, createGate, type Decision } from "../../host/capabilities/gate.ts";
import { answer, type HostAnswer, HostCode, refusal } from "../../host/host-call.ts";
import { StateGetRequestSchema } from "../../proto/provider/v1/provider_pb.ts";
import { type Asked, type Behaviour, isAllowed, MAX_BODY, script } from "./gate-script.ts";
import type { Target } from "./target.ts";

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
  const perform: Decide<typeof StateGetRequestSchema, unknown> = () => {
    const { does } = now as Asked;
    if (does.kind === "throws") throw new Error("the operation");
    if (does.kind === "answers") return refusal(does.code, "the operation refuses");
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
      // a plan that does not end is abandoned with its guest's call
      setImmediate(() => over.abort());
      return new Promise(() => {});
    }
    return result;
  };
  const gate = createGate({
    clients,
    capabilities: {
      keystore: { requests: { seal: StateGetRequestSchema }, decide: { seal: perform } },
      state: { requests: { get: StateGetRequestSchema }, decide: { get: perform } },
      log: { requests: { write: StateGetRequestSchema }, decide: { write: perform } },
    },
    alwaysGranted: new Set(["log"]),
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

/** A plan is performed once, after its decision was witnessed; only a thrown error is reported as a fault. */
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
        name: "each performed call was requested, granted, within the budgets and witnessed before; every call has an answer",
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
