/** Closing with outputs that the test blocks: a real hanging disk is not available in a test. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ZERO_HASH } from "./chain.ts";
import { closeWithin } from "./close.ts";
import { Feed } from "./feed.ts";
import type { Output } from "./sink/output.ts";

/** A limit that a passing test never reaches. */
const LONG_MS = 600_000;

class Held implements Output {
  readonly name = "file";
  readonly label: string;
  readonly did: string[] = [];
  readonly asked: string[] = [];
  readonly held: Partial<Record<"write" | "sync" | "close", Promise<void>>>;

  constructor(label: string, held: Held["held"] = {}) {
    this.label = label;
    this.held = held;
  }

  async write(lines: readonly unknown[]) {
    this.asked.push("write");
    await this.held.write;
    this.did.push(`write ${lines.length}`);
    return { taken: lines.length };
  }
  async sync() {
    this.asked.push("sync");
    await this.held.sync;
    this.did.push("sync");
  }
  async close() {
    this.asked.push("close");
    await this.held.close;
    this.did.push("close");
  }
}

function feedOf(output: Output): Feed {
  const events = { taken() {}, failed() {}, recovered() {}, behind() {} };
  const at = { chain: "0".repeat(16), seq: 0, hash: ZERO_HASH };
  const feed = new Feed(output, at, events, { firstMs: 5, longestMs: 10 });
  feed.push({ seq: 1, text: "line 1", hash: "hash 1" });
  return feed;
}

test("lines are written and synced before a sink is closed", async () => {
  const outputs = [new Held("a"), new Held("b")];
  assert.deepEqual(await closeWithin(outputs.map(feedOf), LONG_MS), []);
  for (const { did } of outputs) assert.deepEqual(did, ["write 1", "sync", "close"]);
});

for (const hanging of ["write", "sync", "close"] as const)
  test(`a ${hanging} that hangs is abandoned after the limit and reported, and does not block another sink`, async () => {
    const gate = Promise.withResolvers<void>();
    const [stuck, other] = [new Held("the file x", { [hanging]: gate.promise }), new Held("stdout")];
    // A very short limit: on a busy machine the other sink may be late too, but it still closes despite the hanging one.
    const late = await closeWithin([stuck, other].map(feedOf), 20);
    assert.ok(late.includes("the file x"), late.join());
    while (!other.did.includes("close")) await new Promise(setImmediate);
    if (!late.includes("stdout")) assert.deepEqual(other.did, ["write 1", "sync", "close"]);
    assert.equal(stuck.asked.at(-1), "close");
    gate.resolve();
  });
