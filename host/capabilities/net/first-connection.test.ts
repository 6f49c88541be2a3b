import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { firstConnection } from "./first-connection.ts";

const NEVER = new AbortController().signal;
const late = () => new Error("late");

/** A dial of addresses that answer, fail or hang by their name, on a mocked clock. */
function dial(t: TestContext, addresses: readonly string[], { ms = 10_000, over = NEVER } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const begun: string[] = [];
  const open = new Set<string>();
  let most = 0;
  const connect = (address: string, signal: AbortSignal) => {
    begun.push(address);
    open.add(address);
    most = Math.max(most, open.size);
    const connection = { address, destroy: () => open.delete(address) };
    if (address.startsWith("good")) return Promise.resolve(connection);
    const { promise, reject } = Promise.withResolvers<typeof connection>();
    const fail = (error: unknown) => {
      open.delete(address);
      reject(error);
    };
    if (address.startsWith("bad")) fail(new Error(address));
    else signal.addEventListener("abort", () => fail(signal.reason), { once: true });
    return promise;
  };
  const ended = firstConnection({ addresses, connect, ms, late }, over);
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  ended.then(end, end);
  return {
    ended,
    begun,
    open,
    most: () => most,
    /** Advances the clock in steps, until the dial has ended. @returns the time that passed */
    async run(stepMs = 10): Promise<number> {
      for (let passed = 0; ; passed += stepMs) {
        await new Promise(setImmediate);
        if (isOver) return passed;
        t.mock.timers.tick(stepMs);
      }
    },
  };
}

test("an address that fails costs no time, and the one after it is used", async (t) => {
  const { ended, run } = dial(t, ["bad1", "bad2", "good", "good2"]);
  assert.equal(await run(), 0);
  assert.equal((await ended).address, "good");
});

test("the fifth address is reached after four that do not answer, and the attempts are ended", async (t) => {
  const { ended, run, open } = dial(t, ["hung1", "hung2", "hung3", "hung4", "good"]);
  assert.equal(await run(), 1000);
  assert.equal((await ended).address, "good");
  await new Promise(setImmediate);
  assert.deepEqual([...open], ["good"]);
});

test("the last of 64 addresses is reached within the time, with at most 8 attempts at once", async (t) => {
  const addresses = [...Array.from({ length: 63 }, (_, i) => `hung${i}`), "good"];
  const { ended, run, begun, most } = dial(t, addresses, { ms: 1800 });
  const passed = await run(1);
  assert.equal((await ended).address, "good");
  assert.ok(passed < 1800 * 0.8, `${passed} ms`);
  assert.deepEqual([begun.length, most()], [64, 8]);
});

test("if no address answers, the time limit ends all attempts", async (t) => {
  const { ended, run, open } = dial(t, ["hung1", "hung2"]);
  const failed = assert.rejects(ended, { message: "late" });
  assert.equal(await run(), 10_000);
  await failed;
  await new Promise(setImmediate);
  assert.equal(open.size, 0);
});

test("the failure of an address is reported rather than the silence of another one", async (t) => {
  const { ended, run } = dial(t, ["hung", "bad1", "bad2"]);
  const failed = assert.rejects(ended, { message: "bad1" });
  await run();
  await failed;
});

test("if every address fails, the first failure is reported at once", async (t) => {
  const { ended, run } = dial(t, ["bad1", "bad2"]);
  const failed = assert.rejects(ended, { message: "bad1" });
  assert.equal(await run(), 0);
  await failed;
});

test("an aborted dial ends its attempts and begins no other one", async (t) => {
  const over = new AbortController();
  const { ended, begun, open, run } = dial(t, ["hung1", "hung2", "hung3"], { over: over.signal });
  const failed = assert.rejects(ended, { message: "given up" });
  await new Promise(setImmediate);
  over.abort(new Error("given up"));
  await run();
  await failed;
  await new Promise(setImmediate);
  assert.deepEqual([begun, open.size], [["hung1"], 0]);
});

test("a dial that is aborted before it begins tries no address", async (t) => {
  const over = new AbortController();
  over.abort(new Error("given up"));
  const { ended, begun } = dial(t, ["good"], { over: over.signal });
  await assert.rejects(ended, { message: "given up" });
  assert.deepEqual(begun, []);
});

test("a connection that opens after the end is closed", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const slow = Promise.withResolvers<{ destroy(): void }>();
  let closed = 0;
  const connection = () => ({
    destroy() {
      closed += 1;
    },
  });
  const connect = (address: string) => (address === "slow" ? slow.promise : Promise.resolve(connection()));
  const ended = firstConnection({ addresses: ["slow", "good"], connect, ms: 1000, late }, NEVER);
  t.mock.timers.tick(250);
  await ended;
  slow.resolve(connection());
  await new Promise(setImmediate);
  assert.equal(closed, 1);
});
