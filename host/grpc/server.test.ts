import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { KleidiError } from "../error.ts";
import { deriveKeyId } from "../kms/key-id.ts";
import { KmsClient } from "./client.ts";
import { type Interceptor, observeReplies, type RpcContext, type RpcReply } from "./interceptor.ts";
import { KmsServer } from "./server.ts";

test("a call that does not end is answered DEADLINE_EXCEEDED with kleidi's message, and the server continues", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-server-"));
  const socket = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const never = new Promise<never>(() => {});
  const service = { status: () => keyId, encrypt: () => never, decrypt: () => never };
  const server = new KmsServer({ service });
  await server.listen({ socket, mode: 0o600 });
  const client = new KmsClient(socket);
  try {
    await assert.rejects(client.encrypt({ plaintext: new Uint8Array(32) }, 10_000), {
      code: 4,
      details: "Cannot Encrypt: it took longer than 2400 ms",
    });
    // A caller that waits less is answered before it gives up.
    await assert.rejects(client.encrypt({ plaintext: new Uint8Array(32) }, 2_000), {
      code: 4,
      details: /^Cannot Encrypt: it took longer than 1[56]\d\d ms$/,
    });
    // One that waits almost not at all may get the error from its own client.
    await assert.rejects(client.encrypt({ plaintext: new Uint8Array(32) }, 50), { code: 4 });
    assert.equal((await client.status()).keyId, keyId);
  } finally {
    client.close();
    await server.stop(100);
    rmSync(folder, { recursive: true });
  }
});

test("invalid metadata writes nothing to stderr", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-server-"));
  const socket = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const never = new Promise<never>(() => {});
  const service = { status: () => keyId, encrypt: () => never, decrypt: () => never };
  const server = new KmsServer({ service });
  await server.listen({ socket, mode: 0o600 });
  const written = t.mock.method(console, "error", () => {});
  const session = connectHttp2("http://localhost", { createConnection: () => connect(socket) });
  try {
    const stream = session.request({
      ":method": "POST",
      ":path": "/v2.KeyManagementService/Status",
      "content-type": "application/grpc",
      te: "trailers",
      "x-caller": "\u00ff",
    });
    stream.resume().end(Buffer.alloc(5));
    await once(stream, "close");
    assert.deepEqual(
      written.mock.calls.map((call) => call.arguments),
      [],
    );
  } finally {
    session.destroy();
    await server.stop(100);
    rmSync(folder, { recursive: true });
  }
});

test("an RPC and the code that sees its reply run in the async context that an interceptor sets", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-server-"));
  const socket = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const rpc = new AsyncLocalStorage<number>();
  const seen: (number | undefined)[][] = [];
  let begun = 0;
  const echo = async (bytes: Uint8Array) => {
    seen.push([rpc.getStore()]);
    await new Promise((resolve) => setImmediate(resolve));
    return { ciphertext: bytes, keyId, annotations: {} };
  };
  const service = { status: () => keyId, encrypt: echo, decrypt: () => Promise.reject(new Error("unused")) };
  const server = new KmsServer({
    service,
    interceptors: [
      (_, next) => rpc.run(++begun, next),
      observeReplies(() => seen[(rpc.getStore() ?? 0) - 1]?.push(rpc.getStore())),
    ],
  });
  await server.listen({ socket, mode: 0o600 });
  const client = new KmsClient(socket);
  try {
    const plaintext = new Uint8Array(32);
    await Promise.all([client.encrypt({ plaintext }), client.encrypt({ plaintext })]);
    assert.deepEqual(seen, [
      [1, 1],
      [2, 2],
    ]);
  } finally {
    client.close();
    await server.stop(100);
    rmSync(folder, { recursive: true });
  }
});

// The awaited events occur at once, or never.
const LIMIT = { timeout: 60_000 };

/** A server that holds each Encrypt until its gate is opened, and the replies that the outermost interceptor saw. */
async function held(t: TestContext, interceptors: readonly Interceptor[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-server-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const socket = join(folder, "kms.sock");
  const keyId = await deriveKeyId("k", "1");
  const gates: (() => void)[] = [];
  const replies: (RpcContext & RpcReply)[] = [];
  const encrypt = async (ciphertext: Uint8Array) => {
    await new Promise<void>((resolve) => gates.push(resolve));
    return { ciphertext, keyId, annotations: {} };
  };
  const decrypt = () => Promise.reject(new KleidiError("key-unknown", "Cannot decrypt: none has it"));
  const server = new KmsServer({
    service: { status: () => keyId, encrypt, decrypt },
    interceptors: [observeReplies((call, reply) => replies.push({ ...call, ...reply })), ...interceptors],
  });
  await server.listen({ socket, mode: 0o600 });
  const client = new KmsClient(socket);
  t.after(() => client.close());
  const inFlight = async (count: number) => {
    while (gates.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { server, client, replies, gates, keyId, inFlight };
}

/** Resolves to true if it has ended once all ready work has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.finally(() => {
    settled = true;
  });
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

test("stop waits for each call in flight, and each is answered", LIMIT, async (t) => {
  const { server, client, gates, inFlight } = await held(t);
  const answers = [7, 8].map((fill) => client.encrypt({ plaintext: new Uint8Array(32).fill(fill) }));
  await inFlight(2);
  const stopped = server.stop(600_000);
  gates[0]?.();
  await Promise.race(answers);
  assert.equal(await isSettled(stopped), false);
  gates[1]?.();
  const first = (await Promise.all(answers)).map(({ ciphertext }) => ciphertext[0]);
  assert.deepEqual(first.toSorted(), [7, 8]);
  await stopped;
});

test("stop waits no longer than its grace for a call that does not end", LIMIT, async (t) => {
  const { server, client, inFlight } = await held(t);
  const reply = client.encrypt({ plaintext: new Uint8Array(32) }, 60_000);
  const failed = assert.rejects(reply, { code: 1 });
  await inFlight(1);
  await server.stop(1);
  await failed;
});

test("stop without a call in flight does not wait for its grace", LIMIT, async (t) => {
  const { server, client } = await held(t);
  await client.status();
  // Longer than the test runner's time-out.
  await server.stop(2 ** 31 - 1);
});

test("an interceptor sees the failure of an RPC and the key_id in its request", LIMIT, async (t) => {
  const { server, client, replies, keyId } = await held(t);
  t.after(() => server.stop(1));
  const request = { ciphertext: new Uint8Array(9), keyId, annotations: {}, uid: "u 1" };
  await assert.rejects(client.decrypt(request), { code: 5, details: "Cannot decrypt: none has it" });
  const [reply] = replies;
  assert.deepEqual(
    [reply?.rpc, reply?.uid, reply?.keyId, reply?.failure?.code, reply?.message],
    ["Decrypt", "u?1", keyId, "key-unknown", undefined],
  );
  await assert.rejects(client.decrypt({ ...request, keyId: "" }));
  assert.equal(replies[1]?.keyId, undefined);
});

test(
  "an RPC without an audit record fails, whether it succeeded or failed, and the outer interceptors see the failure",
  LIMIT,
  async (t) => {
    const record: Interceptor = async (_, next) => {
      await next();
      throw new KleidiError("audit-failed/sinks", "Cannot audit: the disk is full");
    };
    const { server, client, replies, keyId } = await held(t, [record]);
    t.after(() => server.stop(1));
    const refused = { code: 14, details: "Cannot audit: the disk is full" };
    await assert.rejects(client.status(), refused);
    await assert.rejects(client.decrypt({ ciphertext: new Uint8Array(9), keyId, annotations: {} }), refused);
    assert.deepEqual(
      replies.map(({ rpc, failure }) => [rpc, failure?.code]),
      [
        ["Status", "audit-failed"],
        ["Decrypt", "audit-failed"],
      ],
    );
  },
);

test("an RPC whose record is refused is recorded only once", LIMIT, async (t) => {
  const recorded: RpcReply[] = [];
  const record: Interceptor = async (_, next) => {
    recorded.push(await next());
    throw new KleidiError("audit-failed/sinks", "Cannot audit: the disk is full");
  };
  const { server, client } = await held(t, [record]);
  t.after(() => server.stop(1));
  await assert.rejects(client.status());
  assert.deepEqual(
    recorded.map(({ failure }) => failure),
    [undefined],
  );
});

test("no reply is sent before the interceptors have finished", LIMIT, async (t) => {
  const written = Promise.withResolvers<void>();
  const { server, client } = await held(t, [
    async (_, next) => {
      const reply = await next();
      await written.promise;
      return reply;
    },
  ]);
  t.after(() => server.stop(1));
  const status = client.status();
  assert.equal(await isSettled(status), false);
  written.resolve();
  await status;
});
