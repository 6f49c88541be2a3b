import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { NetRequestSchema, NetResponseSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { leaseWith } from "../../../test/support/credential.ts";
import { assertRefused } from "../../../test/support/failures.ts";
import { assertSentence } from "../../../test/support/thrown.ts";
import { type HostAnswer, type HostCall, HostCode } from "../../host-call.ts";
import { type Client, createGate, type Decision } from "../gate.ts";
import {
  type Credential,
  type Lease,
  type Request,
  type Response,
  type Send,
  Unreachable,
} from "./exchange.ts";
import { openNet, type Route } from "./net.ts";

const CLIENT: Client = {
  requests: [{ capability: "net", operations: ["request"], rpcs: ["encrypt"] }],
  grants: {
    net: {
      origin: "https://vault.example:8200",
      allow: [{ method: "POST", path: "/v1/encrypt/kek" }],
      headers: ["content-type", "set-cookie", "x-seen"],
      requestBytes: 16,
    },
  },
  hostCalls: 8,
  hostCallsPerMinute: 1000,
};
const ASKED = {
  method: "POST",
  path: "/v1/encrypt/kek",
  headers: [{ name: "content-type", value: "a/b" }],
  body: Buffer.from("hello"),
};
const RESPONSE: Response = { status: 200, headers: {}, body: Buffer.from("there") };

const requestOf = (asked: Partial<typeof ASKED> = {}) =>
  toBinary(NetRequestSchema, create(NetRequestSchema, { ...ASKED, ...asked }));

interface Setting {
  readonly ask: (asked?: Partial<typeof ASKED>, call?: Partial<HostCall>) => Promise<HostAnswer>;
  readonly sent: Request[];
  readonly told: string[];
  readonly decisions: Decision[];
}

/** A gate with only kleidi:net, whose origin returns these answers in turn, and then the last one repeatedly. */
function setUp(
  answers: readonly (Response | Send)[] = [RESPONSE],
  route: Partial<Route> = {},
  client: Client = CLIENT,
): Setting {
  const sent: Request[] = [];
  const told: string[] = [];
  const decisions: Decision[] = [];
  const send: Send = async (request, signal) => {
    sent.push(request);
    const next = answers[Math.min(sent.length, answers.length) - 1] ?? RESPONSE;
    return typeof next === "function" ? next(request, signal) : next;
  };
  const net = openNet({
    routes: new Map([["vault", { send, timeoutMs: 1000, ...route }]]),
    warn: (provider, why) => told.push(`warned of ${provider}: ${why}`),
  });
  const gate = createGate({
    clients: new Map([
      ["vault", client],
      ["routeless", client],
    ]),
    capabilities: { net },
    alwaysGranted: new Set(),
    witness: {
      decided: (decision) => decisions.push(decision),
      performed: (_, { code }) => told.push(`performed: ${code}`),
      fault: (_, error) => told.push(`fault: ${error}`),
    },
  });
  const call: HostCall = {
    provider: "vault",
    rpc: "encrypt",
    ordinal: 1,
    ordinalOfCapability: 1,
    capability: "net",
    operation: "request",
    request: new Uint8Array(),
    signal: new AbortController().signal,
  };
  return {
    ask: (asked, overrides) => gate({ ...call, request: requestOf(asked), ...overrides }),
    sent,
    told,
    decisions,
  };
}

/** A credential that records its calls and returns fixed answers. */
function credentialOf(
  leases: readonly Lease[],
  refused: Credential["refused"] = async () => true,
  secret = "s3cret",
): Credential & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async lease() {
      asked.push("lease");
      const lease = leases[Math.min(asked.filter((what) => what === "lease").length, leases.length) - 1];
      assert.ok(lease);
      return lease;
    },
    refused(lease, signal) {
      asked.push(`refused ${leases.indexOf(lease)}`);
      return refused(lease, signal);
    },
    containsSecret: (bytes) => Buffer.from(bytes).includes(secret),
    close: async () => {},
  };
}
const FIRST = leaseWith({ "x-vault-token": "first" });
const SECOND = leaseWith({ "x-vault-token": "second" });
const forbidden: Response = { ...RESPONSE, status: 403 };

const responseOf = ({ code, body }: HostAnswer) => {
  assert.equal(code, 0);
  const { status, headers, body: bytes } = fromBinary(NetResponseSchema, body);
  return {
    status,
    headers: Object.fromEntries(headers.map(({ name, value }) => [name, value])),
    body: Buffer.from(bytes).toString(),
  };
};

test("a granted request is sent, and its answer passed to the guest", async () => {
  const { ask, sent, decisions, told } = setUp();
  assert.deepEqual(responseOf(await ask()), { status: 200, headers: {}, body: "there" });
  assert.equal(sent.length, 1);
  assert.deepEqual(
    { ...sent[0], body: Buffer.from(sent[0]?.body ?? []).toString() },
    {
      method: "POST",
      path: "/v1/encrypt/kek",
      headers: { "content-type": "a/b" },
      body: "hello",
    },
  );
  assert.deepEqual(
    decisions.map(({ verdict, why, target }) => [verdict, why, target]),
    [["allowed", "grants.net", "POST https://vault.example:8200/v1/encrypt/kek"]],
  );
  assert.deepEqual(told, ["performed: 0"]);
});

for (const [what, request] of [
  ["no message", Buffer.from([0xff])],
  ["a truncated message", requestOf().subarray(0, -1)],
  ["a path in invalid UTF-8", Buffer.from([0x12, 0x02, 0x2f, 0xff])],
] as const)
  test(`a request with ${what} is invalid, and nothing is sent`, async (t) => {
    const { ask, sent, decisions } = setUp();
    assertRefused(t, await ask({}, { request }), 2);
    assert.deepEqual([sent.length, decisions[0]?.verdict], [0, "refused"]);
  });

const DENIED: readonly (readonly [what: string, asked: Partial<typeof ASKED>])[] = [
  ["another path", { path: "/v1/sys/seal" }],
  ["another host", { path: "//evil.example/" }],
  ["a header that is not granted", { headers: [{ name: "authorization", value: "a" }] }],
  ["a body over the limit at another path", { path: "/a", body: Buffer.alloc(17) }],
];
for (const [what, asked] of DENIED)
  test(`${what} is denied, and nothing is sent`, async (t) => {
    const { ask, sent, decisions } = setUp();
    assertRefused(t, await ask(asked), 1);
    assert.deepEqual([sent.length, decisions[0]?.verdict], [0, "denied"]);
  });

test("a provider without a route to an origin is denied", async (t) => {
  const { ask, sent } = setUp();
  assertRefused(t, await ask({}, { provider: "routeless" }), 1);
  assert.equal(sent.length, 0);
});

test("a body of the granted size is sent, one byte more exceeds the limit", async (t) => {
  const { ask, sent, decisions } = setUp();
  assert.equal((await ask({ body: Buffer.alloc(16) })).code, 0);
  assertRefused(t, await ask({ body: Buffer.alloc(17) }), 6);
  assert.deepEqual([sent.length, decisions[1]?.verdict], [1, "refused"]);
});

test("a guest sees three headers of an answer and the granted ones, and never a cookie", async () => {
  const headers = {
    "content-type": "a/b",
    date: "today",
    "retry-after": "1",
    "x-seen": "gr\u00fcn\t\x7f",
    "x-hidden": "1",
    "set-cookie": "a=1",
    "set-cookie2": "a=1",
    location: "https://inside.example/",
    "www-authenticate": "a",
  };
  const { ask } = setUp([{ ...RESPONSE, headers }]);
  assert.deepEqual(responseOf(await ask()).headers, {
    "content-type": "a/b",
    date: "today",
    "retry-after": "1",
    "x-seen": "gr?n??",
  });
});

for (const status of [302, 401, 403, 404, 500])
  test(`the status ${status} is an ordinary answer without a credential`, async () => {
    const { ask, sent } = setUp([{ ...RESPONSE, status }]);
    assert.equal(responseOf(await ask()).status, status);
    assert.equal(sent.length, 1);
  });

test("the credential's headers replace those of the guest", async () => {
  const credential = credentialOf([leaseWith({ "content-type": "own", "x-vault-token": "first" })]);
  const { ask, sent } = setUp([RESPONSE], { credential });
  await ask();
  assert.deepEqual(sent[0]?.headers, { "content-type": "own", "x-vault-token": "first" });
});

for (const status of [401, 403]) {
  test(`after ${status} the request is sent once more with another lease`, async () => {
    const credential = credentialOf([FIRST, SECOND]);
    const { ask, sent } = setUp([{ ...RESPONSE, status }, RESPONSE], { credential });
    assert.equal(responseOf(await ask()).status, 200);
    assert.deepEqual(
      sent.map(({ headers }) => headers["x-vault-token"]),
      ["first", "second"],
    );
    assert.deepEqual(credential.asked, ["lease", "refused 0", "lease"]);
  });

  test(`a second ${status} is returned to the guest`, async () => {
    const credential = credentialOf([FIRST, SECOND]);
    const { ask, sent } = setUp([{ ...RESPONSE, status }], { credential });
    assert.equal(responseOf(await ask()).status, status);
    assert.equal(sent.length, 2);
    assert.deepEqual(credential.asked, ["lease", "refused 0", "lease"]);
  });
}

test("if no other lease is available, 403 is returned to the guest", async () => {
  const credential = credentialOf([FIRST], async () => false);
  const { ask, sent } = setUp([forbidden], { credential });
  assert.equal(responseOf(await ask()).status, 403);
  assert.equal(sent.length, 1);
});

for (const status of [200, 400, 404, 429, 500, 503])
  test(`the status ${status} does not cause another lease`, async () => {
    const credential = credentialOf([FIRST, SECOND]);
    const { ask, sent } = setUp([{ ...RESPONSE, status }], { credential });
    assert.equal(responseOf(await ask()).status, status);
    assert.deepEqual([sent.length, credential.asked], [1, ["lease"]]);
  });

const LEAKS: readonly (readonly [where: string, response: Response])[] = [
  ["its body", { ...RESPONSE, body: Buffer.from("it is s3cret!") }],
  ["a header that the guest sees", { ...RESPONSE, headers: { "x-seen": "s3cret" } }],
  ["a header that the guest does not see", { ...RESPONSE, headers: { location: "/?token=s3cret" } }],
];
for (const [where, response] of LEAKS)
  test(`an answer with the credential in ${where} does not reach the guest, and causes a warning`, async (t) => {
    const { ask, told } = setUp([response], { credential: credentialOf([FIRST]) });
    assertRefused(t, await ask(), 5);
    const [warning = "", performed] = told;
    assert.deepEqual([told.length, performed], [2, "performed: 5"]);
    assertSentence(t, warning);
  });

test("the answer to the retry is scanned for the credential too", async () => {
  const { ask } = setUp([forbidden, { ...RESPONSE, body: Buffer.from("s3cret") }], {
    credential: credentialOf([FIRST, SECOND]),
  });
  assert.equal((await ask()).code, 5);
});

test("a request to an unreachable server is unavailable, and the guest gets the reason", async (t) => {
  const { ask, told } = setUp([
    async () => {
      throw new Unreachable("vault.example:8200 refuses connections");
    },
  ]);
  assertRefused(t, await ask(), 5);
  assert.deepEqual(told, ["performed: 5"]);
});

test("an internal fault stays in the host", async (t) => {
  const { ask, told } = setUp([
    async () => {
      throw new TypeError("secret");
    },
  ]);
  assertRefused(t, await ask(), 5);
  assert.deepEqual(told, ["fault: TypeError: secret"]);
});

test("a request whose login fails is unavailable, and nothing is sent", async (t) => {
  const credential = credentialOf([FIRST]);
  credential.lease = async () => {
    throw new Unreachable("the login is refused");
  };
  const { ask, sent } = setUp([RESPONSE], { credential });
  assertRefused(t, await ask(), 5);
  assert.equal(sent.length, 0);
});

const never = () => new Promise<never>(() => {});
const HANGS: readonly (readonly [
  what: string,
  answer: Response | Send,
  credential: Partial<Credential>,
  sent: number,
])[] = [
  ["a server that never answers", never, {}, 1],
  ["a lease that never comes", RESPONSE, { lease: never }, 0],
  ["another lease that never comes", forbidden, { refused: never }, 1],
];
for (const [what, answer, credential, count] of HANGS) {
  test(`a request with ${what} ends at the time-out`, async (t) => {
    const { ask, sent } = setUp([answer], {
      credential: { ...credentialOf([FIRST]), ...credential },
      timeoutMs: 50,
    });
    assertRefused(t, await ask(), 5);
    assert.equal(sent.length, count);
  });

  test(`a request with ${what} ends with the guest's call`, async (t) => {
    const over = new AbortController();
    const { ask, sent } = setUp([answer], { credential: { ...credentialOf([FIRST]), ...credential } });
    const asked = ask({}, { signal: over.signal });
    setTimeout(() => over.abort(), 20);
    assertRefused(t, await asked, 5);
    assert.equal(sent.length, count);
  });
}

test("the transport's signal is aborted when the guest's call has ended", async () => {
  const over = new AbortController();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const { ask } = setUp([
    (_, signal) => {
      signal.addEventListener("abort", () => resolve(signal.reason));
      return never();
    },
  ]);
  const asked = ask({}, { signal: over.signal });
  setImmediate(() => over.abort());
  await asked;
  assert.ok((await promise) instanceof Error);
});

test("a lease that arrives after the time-out sends nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<Lease>();
  const { ask, sent } = setUp([RESPONSE], {
    credential: { ...credentialOf([FIRST]), lease: () => promise },
    timeoutMs: 30,
  });
  assert.equal((await ask()).code, 5);
  resolve(FIRST);
  await promise;
  await new Promise(setImmediate);
  assert.equal(sent.length, 0);
});

test("another lease that arrives after the time-out sends nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { ask, sent } = setUp([forbidden], {
    credential: credentialOf([FIRST, SECOND], () => promise),
    timeoutMs: 30,
  });
  assert.equal((await ask()).code, 5);
  resolve(true);
  await promise;
  await new Promise(setImmediate);
  assert.equal(sent.length, 1);
});

test("an answer that exceeds the limit with its headers is unavailable, and its size is reported", async (t) => {
  const headers = { "x-seen": "a".repeat(1000) };
  const { ask } = setUp([
    { ...RESPONSE, headers, body: Buffer.alloc(63_900) },
    { ...RESPONSE, headers, body: Buffer.alloc(64_500) },
  ]);
  assert.equal((await ask()).code, 0);
  assertRefused(t, await ask(), 5, { SIZE: /65\d{3}(?= bytes)/g });
});

test("a request of a line with a fixed query and header is sent with both, and recorded in the form of the line", async () => {
  const line = {
    method: "POST",
    path: "/keys/kek/wrapkey",
    query: "api-version=7.4",
    headers: { "x-op": "wrap" },
  };
  const grant = { ...CLIENT.grants.net, allow: [line] };
  const { ask, sent, decisions } = setUp([RESPONSE], {}, { ...CLIENT, grants: { net: grant } });
  const headers = [{ name: "x-op", value: "wrap" }];
  await ask({ path: "/keys/kek/wrapkey?api-version=7.4", headers });
  assert.deepEqual(sent[0]?.path, "/keys/kek/wrapkey?api-version=7.4");
  assert.deepEqual(sent[0]?.headers, { "x-op": "wrap" });
  const target = "POST https://vault.example:8200/keys/kek/wrapkey?api-version=7.4 x-op=wrap";
  assert.equal(decisions[0]?.target, target);
});

test("a request that the credential is not for is denied, although a line covers it", async () => {
  const grant = { ...CLIENT.grants.net, allow: [{ method: "POST", path: "/keys/kek/", query: "v=1" }] };
  const fits = (request: string) => request === "POST /keys/kek/wrap?v=1";
  const { ask, sent } = setUp([RESPONSE], { fits }, { ...CLIENT, grants: { net: grant } });
  assert.equal((await ask({ path: "/keys/kek/wrap?v=1" })).code, HostCode.OK);
  const refused = setUp([RESPONSE], { fits }, { ...CLIENT, grants: { net: grant } });
  assert.equal((await refused.ask({ path: "/keys/kek/create?v=1" })).code, HostCode.DENIED);
  assert.deepEqual([sent.length, refused.sent.length], [1, 0]);
});

test("a credential signs the complete request as it is sent", async () => {
  const seen: Request[] = [];
  const signing: Lease = {
    sign(request) {
      seen.push(request);
      return {
        ...request,
        headers: { ...request.headers, authorization: `signature of ${request.body.length} bytes` },
      };
    },
  };
  const { ask, sent } = setUp([RESPONSE], { credential: credentialOf([signing]) });
  await ask();
  assert.deepEqual(
    [seen[0]?.method, seen[0]?.path, Buffer.from(seen[0]?.body ?? "").toString()],
    ["POST", "/v1/encrypt/kek", "hello"],
  );
  assert.equal(sent[0]?.headers.authorization, "signature of 5 bytes");
});
