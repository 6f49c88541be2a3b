import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { KeystoreSealRequestSchema } from "../../proto/provider/v1/provider_pb.ts";
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

/** A gate with one operation, keystore seal, and what its witness was told, in order. */
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

test("the operation sees the parsed request, the call and what its provider is granted", async () => {
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

const NO_SUCH = "there is no such operation";
const DENIALS: [string, Partial<HostCall>, string][] = [
  ["an unknown capability", { capability: "http" }, `kleidi:http seal: ${NO_SUCH}`],
  ["an unknown operation", { operation: "delete" }, `kleidi:keystore delete: ${NO_SUCH}`],
  ["an unknown provider", { provider: "other" }, `kleidi:keystore seal: ${NO_SUCH}`],
  ["the capability __proto__", { capability: "__proto__" }, `kleidi:__proto__ seal: ${NO_SUCH}`],
  [
    "an operation that __proto__ has",
    { capability: "__proto__", operation: "toString" },
    `kleidi:__proto__ toString: ${NO_SUCH}`,
  ],
  ["the capability constructor", { capability: "constructor" }, `kleidi:constructor seal: ${NO_SUCH}`],
  ["the operation constructor", { operation: "constructor" }, `kleidi:keystore constructor: ${NO_SUCH}`],
  ["the operation __proto__", { operation: "__proto__" }, `kleidi:keystore __proto__: ${NO_SUCH}`],
  [
    "another RPC than the requested one",
    { rpc: "decrypt" },
    "kleidi:keystore seal in decrypt: its manifest does not request it",
  ],
];
for (const [what, overrides, reason] of DENIALS) {
  test(`the gate denies ${what}`, async () => {
    const { gate, decisions } = setUp();
    const call = { ...CALL, ...overrides };
    assert.deepEqual(await gate(call), {
      code: 1,
      message: `Cannot grant provider "${call.provider}" ${reason}`,
      body: NO_BYTES,
    });
    assert.deepEqual(decisions, [{ call, verdict: "denied", why: reason }]);
  });
}

const CLIENTS: [string, Client, string][] = [
  [
    "what the manifest does not request",
    { ...CLIENT, requests: [] },
    "kleidi:keystore seal in encrypt: its manifest does not request it",
  ],
  [
    "what the configuration does not grant",
    { ...CLIENT, grants: {} },
    "kleidi:keystore seal in encrypt: the configuration does not grant it",
  ],
  [
    "what the configuration grants to another RPC",
    { ...CLIENT, grants: { keystore: { keys: ["main"], rpcs: ["decrypt"] } } },
    "kleidi:keystore seal in encrypt: the configuration grants it in decrypt only",
  ],
];
for (const [what, client, reason] of CLIENTS) {
  test(`the gate denies ${what}`, async () => {
    const { gate, decisions } = setUp(undefined, client);
    assert.equal((await gate(CALL)).code, 1);
    assert.deepEqual(decisions, [{ call: CALL, verdict: "denied", why: reason }]);
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

test("a host call over the call's budget is refused, not denied", async () => {
  const { gate, told } = setUp();
  assert.deepEqual(await gate({ ...CALL, ordinal: 4 }), {
    code: 6,
    message: "at most 3 host calls are allowed in a call",
    body: NO_BYTES,
  });
  assert.deepEqual(told, ["refused nothing: at most 3 host calls are allowed in a call"]);
});

test("a host call over the minute's budget is refused, not denied", async () => {
  const { gate } = setUp();
  const codes = [];
  for (let i = 0; i < 6; i++) codes.push((await gate(CALL)).code);
  assert.deepEqual(codes, [0, 0, 0, 0, 0, 6]);
  assert.equal((await gate(CALL)).message, "at most 5 host calls are allowed in a minute");
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
  test(`an operation that ${what} is unavailable, and its error stays in the host`, async () => {
    const { gate, told } = setUp(operation);
    assert.deepEqual(await gate(CALL), {
      code: 5,
      message: "the host could not do it now",
      body: NO_BYTES,
    });
    assert.equal(told.at(-1), "fault: Error: secret");
  });
}

test("an operation's answer over 64 KiB does not reach the guest", async () => {
  const { gate, told } = setUp(doing(() => answer(new Uint8Array(65_537))));
  assert.equal((await gate(CALL)).code, 5);
  assert.equal(told.at(-1), "fault: RangeError: an answer of 65537 bytes, at most 65536 are allowed");
});

test("an operation's own denial is witnessed like any other", async () => {
  const { gate, decisions } = setUp(() => refusal(1, "kleidi:keystore seal: this key is not granted"));
  assert.deepEqual(await gate(CALL), {
    code: 1,
    message: 'Cannot grant provider "local" kleidi:keystore seal: this key is not granted',
    body: NO_BYTES,
  });
  const why = "kleidi:keystore seal: this key is not granted";
  assert.deepEqual(decisions, [{ call: CALL, verdict: "denied", why }]);
});

test("an operation's refusal is handed on as it is", async () => {
  const { gate, decisions } = setUp(() => refusal(3, "the key is not loaded"));
  assert.deepEqual(await gate(CALL), { code: 3, message: "the key is not loaded", body: NO_BYTES });
  assert.deepEqual(decisions, [{ call: CALL, verdict: "refused", why: "the key is not loaded" }]);
});

test("a host call of a finished guest call is not performed", async () => {
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

test("a host call ends with its guest's call, and a late answer is dropped", async () => {
  const { promise, resolve } = Promise.withResolvers<HostAnswer>();
  const over = new AbortController();
  const { gate, told } = setUp(doing(() => promise));
  const waiting = gate({ ...CALL, signal: over.signal });
  over.abort();
  assert.deepEqual(await waiting, { code: 5, message: "the call is over", body: NO_BYTES });
  resolve(answer(REPLY));
  await promise;
  assert.deepEqual(told, ["allowed main: grants.keystore", "performed: 5, 0 bytes"]);
});

test("a host call ends also when its own plan ended the guest's call", { timeout: 60_000 }, async () => {
  const over = new AbortController();
  const { gate } = setUp(
    doing(() => {
      over.abort();
      return new Promise<never>(() => {});
    }),
  );
  assert.deepEqual(await gate({ ...CALL, signal: over.signal }), {
    code: 5,
    message: "the call is over",
    body: NO_BYTES,
  });
});

test("a request that is not a valid message is refused, and the operation does not see it", async () => {
  const { gate, decisions } = setUp(() => assert.fail("it was parsed"));
  const why = "the request is not a valid KeystoreSealRequest";
  assert.deepEqual(await gate({ ...CALL, request: Uint8Array.of(0xff) }), refusal(2, why));
  assert.deepEqual([decisions[0]?.verdict, decisions[0]?.why], ["refused", why]);
});

test("a capability that is always granted needs no grant, and is handed none", async () => {
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
