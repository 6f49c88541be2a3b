/** A feed with a scripted output: a real disk that cannot sync is not available in a test. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ZERO_HASH } from "./chain.ts";
import { Feed, type FeedEvents } from "./feed.ts";
import { ClosedOutputError, type Output } from "./sink/output.ts";

class Scripted implements Output {
  readonly name = "file";
  readonly label = "the file x";
  readonly written: number[] = [];
  /** Writes that have begun. */
  begun = 0;
  writes = 0;
  failure: Error | undefined;
  syncFailure: Error | undefined;
  /** The number of lines of the next write that are accepted before it fails. */
  takes = 0;
  blocked: Promise<void> | undefined;
  async write(lines: readonly { readonly seq: number }[]) {
    this.begun += 1;
    await this.blocked;
    this.writes += 1;
    const taken = this.failure === undefined ? lines.length : Math.min(this.takes, lines.length);
    this.written.push(...lines.slice(0, taken).map(({ seq }) => seq));
    return { taken, error: this.failure };
  }
  async sync() {
    if (this.syncFailure !== undefined) throw this.syncFailure;
  }
  async close() {}
}

function setUp() {
  const events: string[] = [];
  const handlers: FeedEvents = {
    taken: (_feed, first, last) => events.push(`taken ${first}-${last}`),
    failed: ({ failure }) => events.push(`failed ${failure?.error}`),
    recovered: (_feed, { error, from }) => events.push(`recovered ${error} from ${from}`),
    behind: (feed, { error }) => {
      events.push(`behind ${error} after ${feed.last.seq}`);
      feed.rejoin();
      // the log declares the missing lines here
      feed.push(line(6));
    },
  };
  const output = new Scripted();
  const at = { chain: "0".repeat(16), seq: 0, hash: ZERO_HASH };
  return { events, output, feed: new Feed(output, at, handlers, { firstMs: 5, longestMs: 10 }) };
}

const line = (seq: number, how: object = {}) => ({ seq, text: `line ${seq}`, hash: `hash ${seq}`, ...how });

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 20_000, `never: ${condition}`);
    await sleep(1);
  }
}

/** Some iterations of the event loop, with its timers stopped. */
async function iterate(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("lines of several iterations of the event loop are one write, which a caller asks for", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { events, output, feed } = setUp();
  for (let seq = 1; seq <= 5; seq++) {
    feed.push(line(seq));
    await iterate();
  }
  assert.equal(output.writes, 0);
  await feed.settled();
  assert.deepEqual([output.writes, events], [1, ["taken 1-5"]]);
});

test("a line that no caller waits for is written after 2 ms", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { events, feed } = setUp();
  feed.push(line(1));
  t.mock.timers.tick(1);
  await iterate();
  assert.deepEqual(events, []);
  t.mock.timers.tick(1);
  await iterate();
  assert.deepEqual(events, ["taken 1-1"]);
});

test("lines that a failing output did not accept are written after it recovers, in order and once", async () => {
  const { events, output, feed } = setUp();
  output.failure = new Error("EIO");
  output.takes = 2;
  for (let seq = 1; seq <= 5; seq++) feed.push(line(seq));
  await until(() => events.includes("failed EIO"));
  output.takes = 0;
  assert.equal(feed.isUsable, false);
  output.failure = undefined;
  await until(() => feed.isUsable);
  assert.deepEqual(output.written, [1, 2, 3, 4, 5]);
  assert.deepEqual(
    events.filter((what) => !what.startsWith("failed")),
    ["taken 1-2", "recovered EIO from 3", "taken 3-5"],
  );
});

test("a disk that cannot sync is a failed sink, and is retried without new lines", async () => {
  const { events, output, feed } = setUp();
  output.syncFailure = new Error("EIO");
  feed.push(line(1, { sync: true }));
  await until(() => events.includes("failed EIO"));
  assert.equal(feed.isUsable, false);
  output.syncFailure = undefined;
  await until(() => feed.isUsable);
  assert.equal(events.at(-1), "recovered EIO from 2");
});

test("an output that is permanently closed is not retried, and accepts no lines", async () => {
  const { events, output, feed } = setUp();
  output.failure = new ClosedOutputError("EPIPE");
  feed.push(line(1));
  await until(() => events.includes("failed EPIPE"));
  output.failure = undefined;
  feed.push(line(2));
  await sleep(50);
  assert.deepEqual([output.written, feed.pending, feed.isUsable], [[], undefined, false]);
});

test("lines that were dropped during a blocked write are reported when it ends", async () => {
  const { events, output, feed } = setUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  output.blocked = promise;
  feed.push(line(1));
  await until(() => output.begun === 1);
  for (let seq = 2; seq <= 4; seq++) feed.push(line(seq));
  feed.drop(0);
  feed.push(line(5));
  assert.equal(feed.isUsable, false);
  resolve();
  output.blocked = undefined;
  await until(() => events.includes("behind too slow after 1"));
  await until(() => feed.isUsable);
  assert.deepEqual(output.written, [1, 6]);
  assert.deepEqual(events, ["taken 1-1", "behind too slow after 1", "taken 6-6"]);
});
