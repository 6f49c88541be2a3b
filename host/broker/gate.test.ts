import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, type HostCall, refusal } from "../host-call.ts";
import { type Capabilities, type Client, createGate, type Operation } from "./gate.ts";

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
};
const CALL: HostCall = {
  provider: "local",
  rpc: "encrypt",
  ordinal: 1,
  ordinalOfCapability: 1,
  capability: "keystore",
  operation: "seal",
  request: NO_BYTES,
};

/** A gate with one operation, keystore seal, and what it told. */
function setUp(operation: Operation = () => answer(REPLY), client: Client = CLIENT) {
  const denied: [HostCall, string][] = [];
  const faults: [HostCall, unknown][] = [];
  const capabilities: Capabilities = { keystore: { seal: operation } };
  const gate = createGate({
    clients: new Map([["local", client]]),
    capabilities,
    onDenied: (call, reason) => denied.push([call, reason]),
    onFault: (call, error) => faults.push([call, error]),
  });
  return { gate, denied, faults };
}

test("a requested and granted call gets the operation's answer", async () => {
  const { gate, denied, faults } = setUp();
  assert.deepEqual(await gate(CALL), { code: 0, message: "", body: REPLY });
  assert.deepEqual([denied, faults], [[], []]);
});

test("the operation sees the call and its client", async () => {
  let seen: unknown;
  const { gate } = setUp((...args) => {
    seen = args;
    return answer(REPLY);
  });
  await gate(CALL);
  assert.deepEqual(seen, [CALL, CLIENT]);
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
    const { gate, denied } = setUp();
    const call = { ...CALL, ...overrides };
    assert.deepEqual(await gate(call), {
      code: 1,
      message: `Cannot grant provider "${call.provider}" ${reason}`,
      body: NO_BYTES,
    });
    assert.deepEqual(denied, [[call, reason]]);
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
];
for (const [what, client, reason] of CLIENTS) {
  test(`the gate denies ${what}`, async () => {
    const { gate, denied } = setUp(undefined, client);
    assert.equal((await gate(CALL)).code, 1);
    assert.deepEqual(denied, [[CALL, reason]]);
  });
}

test("a denied call does not reach the operation", async () => {
  let calls = 0;
  const operation = () => {
    calls += 1;
    return answer(REPLY);
  };
  await setUp(operation, { ...CLIENT, grants: {} }).gate(CALL);
  assert.equal(calls, 0);
});

test("the last host call of the budget is performed", async () => {
  assert.equal((await setUp().gate({ ...CALL, ordinal: 3 })).code, 0);
});

test("a host call over the budget is refused, not denied", async () => {
  const { gate, denied } = setUp();
  assert.deepEqual(await gate({ ...CALL, ordinal: 4 }), {
    code: 6,
    message: "at most 3 host calls are allowed in a call",
    body: NO_BYTES,
  });
  assert.deepEqual(denied, []);
});

test("a call that is not granted is denied even over the budget", async () => {
  const { gate } = setUp(undefined, { ...CLIENT, grants: {} });
  assert.equal((await gate({ ...CALL, ordinal: 4 })).code, 1);
});

const FAULTS: [string, Operation][] = [
  [
    "throws",
    () => {
      throw new Error("secret");
    },
  ],
  ["rejects", () => Promise.reject(new Error("secret"))],
];
for (const [what, operation] of FAULTS) {
  test(`an operation that ${what} is unavailable, and its error stays in the host`, async () => {
    const { gate, faults } = setUp(operation);
    assert.deepEqual(await gate(CALL), {
      code: 5,
      message: "the host could not do it now",
      body: NO_BYTES,
    });
    assert.deepEqual(faults, [[CALL, new Error("secret")]]);
  });
}

test("an operation's own denial is told like any other", async () => {
  const { gate, denied } = setUp(() => refusal(1, "kleidi:keystore seal: this key is not granted"));
  assert.deepEqual(await gate(CALL), {
    code: 1,
    message: 'Cannot grant provider "local" kleidi:keystore seal: this key is not granted',
    body: NO_BYTES,
  });
  assert.deepEqual(denied, [[CALL, "kleidi:keystore seal: this key is not granted"]]);
});

test("an operation's refusal is handed on as it is", async () => {
  const { gate, denied } = setUp(() => refusal(3, "the key is not loaded"));
  assert.deepEqual(await gate(CALL), { code: 3, message: "the key is not loaded", body: NO_BYTES });
  assert.deepEqual(denied, []);
});
