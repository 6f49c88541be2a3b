import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { KeystoreSealRequestSchema } from "../../proto/provider/v1/provider_pb.ts";
import { assertRefused } from "../../test/support/failures.ts";
import { assertSentence } from "../../test/support/thrown.ts";
import { answer, type HostAnswer, type HostCall, refusal } from "../host-call.ts";
import type { Decide } from "./capability.ts";
import { type Capabilities, type Client, createGate, type Decision } from "./gate.ts";

const NO_BYTES = new Uint8Array();
const REPLY = Uint8Array.of(1, 2, 3);
const CLIENT: Client = {
  requests: [
    { capability: "keystore", operations: ["seal"], rpcs: ["encrypt"] },
    { capability: "__proto__", operations: ["seal", "toString"], rpcs: ["encrypt"] },
    { capability: "keystore", operations: ["constructor", "__proto__"], rpcs: ["encrypt"] },
  ],
  grants: { keystore: { keys: ["main"] } },
  hostCalls: 3,
  hostCallsPerMinute: 5,
};
const CALL: HostCall = {
  provider: "local",
  rpc: "encrypt",
  ordinal: 1,
  ordinalOfCapability: 1,
  capability: "keystore",
  operation: "seal",
  request: NO_BYTES,
  signal: new AbortController().signal,
};

const requests = { seal: KeystoreSealRequestSchema };
type Operation = Decide<typeof KeystoreSealRequestSchema, unknown>;

/** An operation that does this to the key "main". */
function doing(perform: () => HostAnswer | Promise<HostAnswer>): Operation {
  return () => ({ target: "main", perform });
}

/** A gate with one operation, keystore seal, and the events of its witness, in order. */
function setUp(operation: Operation = doing(() => answer(REPLY)), client: Client = CLIENT) {
  const told: string[] = [];
  const decisions: Decision[] = [];
  const capabilities: Capabilities = { keystore: { requests, decide: { seal: operation } } };
  const gate = createGate({
    clients: new Map([["local", client]]),
    capabilities,
    alwaysGranted: new Set(),
    witness: {
      decided(decision) {
        decisions.push(decision);
        told.push(`${decision.verdict} ${decision.target ?? "nothing"}: ${decision.why}`);
      },
      performed: (_decision, { code, size }) => told.push(`performed: ${code}, ${size} bytes`),
      fault: (_call, error) => told.push(`fault: ${error}`),
    },
  });
  return { gate, told, decisions };
}

test("a requested and granted call gets the operation's answer, and its rule and outcome are witnessed", async () => {
  const { gate, told } = setUp();
  assert.deepEqual(await gate(CALL), { code: 0, message: "", body: REPLY });
  assert.deepEqual(told, ["allowed main: grants.keystore", "performed: 0, 3 bytes"]);
});

test("the operation sees the parsed request, the call and its provider's grants", async () => {
  let seen: unknown;
  const { gate } = setUp((...args) => {
    seen = args;
    return answer(REPLY);
  });
  await gate(CALL);
  assert.deepEqual(seen, [create(KeystoreSealRequestSchema), CALL, CLIENT.grants.keystore]);
});

test("a decision is witnessed before anything is performed", async () => {
  const order: string[] = [];
  const { gate, told } = setUp(
    doing(() => {
      order.push(...told);
      return answer(REPLY);
    }),
  );
  await gate(CALL);
  assert.deepEqual(order, ["allowed main: grants.keystore"]);
});

test("a call that cannot be witnessed is not performed", async () => {
  let performed = false;
  const faults: unknown[] = [];
  const gate = createGate({
    clients: new Map([["local", CLIENT]]),
    capabilities: {
      keystore: {
        requests,
        decide: {
          seal: doing(() => {
            performed = true;
            return answer(REPLY);
          }),
        },
      },
    },
    alwaysGranted: new Set(),
    witness: {
      decided() {
        throw new Error("the disk is full");
      },
      performed: () => assert.fail("nothing was performed"),
      fault: (_call, error) => faults.push(error),
    },
  });
  assert.equal((await gate(CALL)).code, 5);
  assert.deepEqual([performed, faults], [false, [new Error("the disk is full")]]);
});

/** Asserts that the witness got one denial, whose reason ends the message of the reply. */
function assertDenied(decisions: readonly Decision[], call: HostCall, message: string): void {
  const [decision] = decisions;
  assert.deepEqual(decisions, [{ call, verdict: "denied", why: decision?.why }]);
  assert.equal(message, `Cannot grant provider "${call.provider}" ${decision?.why}`);
}

const DENIALS: [string, Partial<HostCall>][] = [
  ["an unknown capability", { capability: "http" }],
  ["an unknown operation", { operation: "delete" }],
  ["an unknown provider", { provider: "other" }],
  ["the capability __proto__", { capability: "__proto__" }],
  ["an operation that __proto__ has", { capability: "__proto__", operation: "toString" }],
  ["the capability constructor", { capability: "constructor" }],
  ["the operation constructor", { operation: "constructor" }],
  ["the operation __proto__", { operation: "__proto__" }],
  ["another RPC than the requested one", { rpc: "decrypt" }],
];
for (const [what, overrides] of DENIALS) {
  test(`the gate denies ${what}`, async (t) => {
    const { gate, decisions } = setUp();
    const call = { ...CALL, ...overrides };
    const reply = await gate(call);
    assertRefused(t, reply, 1);
    assertDenied(decisions, call, reply.message);
  });
}

const CLIENTS: [string, Client][] = [
  ["an operation that the manifest does not request", { ...CLIENT, requests: [] }],
  ["an operation that the configuration does not grant", { ...CLIENT, grants: {} }],
  [
    "an operation that the configuration grants to another RPC",
    { ...CLIENT, grants: { keystore: { keys: ["main"], rpcs: ["decrypt"] } } },
  ],
];
for (const [what, client] of CLIENTS) {
  test(`the gate denies ${what}`, async (t) => {
    const { gate, decisions } = setUp(undefined, client);
    const reply = await gate(CALL);
    assertRefused(t, reply, 1);
    assertDenied(decisions, CALL, reply.message);
  });
}

test("a denied call does not reach the operation", async () => {
  let calls = 0;
  const operation: Operation = () => {
    calls += 1;
    return answer(REPLY);
  };
  await setUp(operation, { ...CLIENT, grants: {} }).gate(CALL);
  assert.equal(calls, 0);
});

test("the last host call of the budget is performed", async () => {
  assert.equal((await setUp().gate({ ...CALL, ordinal: 3 })).code, 0);
});

test("a host call over the call's budget is refused, not denied", async (t) => {
  const { gate, told } = setUp();
  const reply = await gate({ ...CALL, ordinal: 4 });
  assertRefused(t, reply, 6);
  assert.deepEqual(told, [`refused nothing: ${reply.message}`]);
});

test("a host call over the minute's budget is refused, not denied", async (t) => {
  const { gate } = setUp();
  const codes = [];
  for (let i = 0; i < 6; i++) codes.push((await gate(CALL)).code);
  assert.deepEqual(codes, [0, 0, 0, 0, 0, 6]);
  assertRefused(t, await gate(CALL), 6);
});

test("a call that is not granted is denied even over the budget", async () => {
  const { gate } = setUp(undefined, { ...CLIENT, grants: {} });
  assert.equal((await gate({ ...CALL, ordinal: 4 })).code, 1);
});

const FAULTS: [string, Operation][] = [
  [
    "throws while it decides",
    () => {
      throw new Error("secret");
    },
  ],
  [
    "throws while it performs",
    doing(() => {
      throw new Error("secret");
    }),
  ],
  ["rejects", doing(() => Promise.reject(new Error("secret")))],
];
for (const [what, operation] of FAULTS) {
  test(`an operation that ${what} is reported as unavailable, and its error stays in the host`, async (t) => {
    const { gate, told } = setUp(operation);
    assertRefused(t, await gate(CALL), 5);
    assert.equal(told.at(-1), "fault: Error: secret");
  });
}

test("an operation's answer over 64 KiB does not reach the guest", async (t) => {
  const { gate, told } = setUp(doing(() => answer(new Uint8Array(65_537))));
  assert.equal((await gate(CALL)).code, 5);
  assertSentence(t, String(told.at(-1)));
});

test("an operation's own denial is witnessed like any other", async (t) => {
  const { gate, decisions } = setUp(() => refusal(1, "kleidi:keystore seal: this key is not granted"));
  const reply = await gate(CALL);
  assertRefused(t, reply, 1);
  const why = "kleidi:keystore seal: this key is not granted";
  assert.deepEqual(decisions, [{ call: CALL, verdict: "denied", why }]);
  assertDenied(decisions, CALL, reply.message);
});

test("an operation's refusal is passed on unchanged", async () => {
  const { gate, decisions } = setUp(() => refusal(3, "the key is not loaded"));
  assert.deepEqual(await gate(CALL), { code: 3, message: "the key is not loaded", body: NO_BYTES });
  assert.deepEqual(decisions, [{ call: CALL, verdict: "refused", why: "the key is not loaded" }]);
});

test("a host call is not performed after its guest's call has finished", async () => {
  let performed = false;
  const { gate } = setUp(
    doing(() => {
      performed = true;
      return answer(REPLY);
    }),
  );
  assert.equal((await gate({ ...CALL, signal: AbortSignal.abort() })).code, 5);
  assert.equal(performed, false);
});

test("a host call ends with its guest's call, and a late answer is dropped", async (t) => {
  const { promise, resolve } = Promise.withResolvers<HostAnswer>();
  const over = new AbortController();
  const { gate, told } = setUp(doing(() => promise));
  const waiting = gate({ ...CALL, signal: over.signal });
  over.abort();
  assertRefused(t, await waiting, 5);
  resolve(answer(REPLY));
  await promise;
  assert.deepEqual(told, ["allowed main: grants.keystore", "performed: 5, 0 bytes"]);
});

test("a host call ends even if its own plan ended the guest's call", { timeout: 60_000 }, async (t) => {
  const over = new AbortController();
  const { gate } = setUp(
    doing(() => {
      over.abort();
      return new Promise<never>(() => {});
    }),
  );
  assertRefused(t, await gate({ ...CALL, signal: over.signal }), 5);
});

test("a request that is not a valid message is refused, and the operation does not see it", async (t) => {
  const { gate, decisions } = setUp(() => assert.fail("it was parsed"));
  const reply = await gate({ ...CALL, request: Uint8Array.of(0xff) });
  assertRefused(t, reply, 2);
  assert.deepEqual([decisions[0]?.verdict, decisions[0]?.why], ["refused", reply.message]);
});

test("a capability that is always granted needs no grant and receives none", async () => {
  let seen: unknown = "nothing";
  const gate = createGate({
    clients: new Map([["local", { ...CLIENT, grants: {} }]]),
    capabilities: {
      keystore: {
        requests,
        decide: {
          seal(_request, _call, grant) {
            seen = grant;
            return answer(REPLY);
          },
        },
      },
    },
    alwaysGranted: new Set(["keystore"]),
    witness: { decided() {}, performed() {}, fault: (_call, error) => assert.fail(String(error)) },
  });
  assert.equal((await gate(CALL)).code, 0);
  assert.equal(seen, undefined);
});
