import assert from "node:assert/strict";
import { test } from "node:test";
import { KleidiError } from "../error.ts";
import { chain, type Interceptor, observeReplies, type RpcContext, type RpcReply } from "./interceptor.ts";

const call: RpcContext = {
  rpc: "Decrypt",
  uid: "u",
  keyId: "k",
  requestBytes: 1,
  startedAt: 0,
  timeMs: 2_400,
};
const success: RpcReply = { message: Buffer.of(1), keyId: "k", ms: 2 };

function named(name: string, events: string[]): Interceptor {
  return async (_, next) => {
    events.push(`${name} before`);
    const reply = await next();
    events.push(`${name} after`);
    return reply;
  };
}

test("the first interceptor is the outermost, and the reply passes through unchanged", async () => {
  const events: string[] = [];
  const run = chain([named("log", events), named("audit", events)]);
  const reply = await run(call, async () => {
    events.push("work");
    return success;
  });
  assert.equal(reply, success);
  assert.deepEqual(events, ["log before", "audit before", "work", "audit after", "log after"]);
});

test("an error of the work is a reply to every interceptor, with the key_id of the request", async () => {
  const seen: RpcReply[] = [];
  const failure = new KleidiError("key-unknown", "Cannot decrypt: no key has it");
  const run = chain([observeReplies((_, reply) => seen.push(reply))]);
  const reply = await run(call, () => Promise.reject(failure));
  assert.deepEqual(seen, [reply]);
  assert.deepEqual([reply.failure, reply.keyId, reply.message], [failure, "k", undefined]);
  assert.ok(reply.ms > 0);
});

test("an error of an interceptor replaces a success, and the outer interceptors see it", async () => {
  const inner: RpcReply[] = [];
  const outer: RpcReply[] = [];
  const run = chain([
    observeReplies((_, reply) => outer.push(reply)),
    () => {
      throw new Error("a fault");
    },
    observeReplies((_, reply) => inner.push(reply)),
  ]);
  const reply = await run(call, async () => success);
  assert.equal(reply.failure?.code, "host-fault");
  assert.deepEqual([outer, inner], [[reply], []]);
});

test("without interceptors the work alone produces the reply", async () => {
  assert.equal(await chain([])(call, async () => success), success);
});
