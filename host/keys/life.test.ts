import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import {
  inForceSince,
  objectionsToPromote,
  objectionsToRetire,
  promotableAt,
  type Situation,
} from "./life.ts";
import { mayHaveBeenActive, pastOf } from "./past.ts";
import { reconcile } from "./reconcile.ts";
import type { HistoryEvent, HistoryRecord, KeyUse } from "./record.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const MINUTE = 60_000;
const LAG = 30_000;
/** Poll, expiry, lag and margin. */
const WAIT = 570_000;

/** Records of events, each with its minute. */
function records(...events: readonly (readonly [minute: number, event: HistoryEvent])[]): HistoryRecord[] {
  return events.map(([minute, event], index) => {
    return { ...event, seq: index + 1, at: new Date(START + minute * MINUTE).toISOString() };
  });
}

const key = (name: string, use: KeyUse["use"]): KeyUse => ({ name, provider: "local", use });
const change = (event: "stage" | "promote" | "retire", name: string): HistoryEvent => {
  return { event, key: name, provider: "local", before: "", after: name };
};
const BEGIN: readonly [number, HistoryEvent] = [
  0,
  { event: "begin", keys: [key("one", "active"), key("old", "decrypt")] },
];
const STAGED = [BEGIN, [10, change("stage", "two")], [10, { event: "done", of: 2 }]] as const;
const PROMOTED = [...STAGED, [20, change("promote", "two")], [20, { event: "done", of: 4 }]] as const;

function hash(name: string): string {
  return `sha256:${name.padEnd(64, "0")}`;
}

function host(active: string, others: readonly string[], configuredAt = 0, ready = true): Situation["host"] {
  const held = (name: string, use: "active" | "decrypt") => {
    return { name, provider: "local", use, ready: ready || use === "active", hashes: [hash(name)] };
  };
  return { configuredAt, keys: [held(active, "active"), ...others.map((name) => held(name, "decrypt"))] };
}

function situation(minute: number, of: readonly HistoryRecord[], running: Situation["host"]): Situation {
  const now = START + minute * MINUTE;
  return { node: "node-1", now, past: pastOf(of), host: running, silence: "no host answers", lagMs: LAG };
}

describe("a key is promoted", () => {
  const promote = (at: Situation, name = "two", from = "one") => objectionsToPromote(at, from, name);

  test("when it is staged, and the running host is ready with it", () => {
    assert.deepEqual(promote(situation(11, records(...STAGED), host("one", ["two"]))), []);
  });

  test("and not before: each reason is told", (t: TestContext) => {
    const staged = records(...STAGED);
    t.assert.snapshot({
      "too early": promote(situation(10.1, staged, host("one", ["two"]))),
      "no host": promote(situation(11, staged, undefined)),
      "not loaded": promote(situation(11, staged, host("one", []))),
      "not ready": promote(situation(11, staged, host("one", ["two"], 0, false))),
      "another key encrypts": promote(situation(11, staged, host("old", ["one", "two"]))),
      "of unknown past": promote(situation(11, staged, host("one", ["old"])), "old"),
      "too early, and no host": promote(situation(10.1, staged, undefined)),
      "it was active": promote(situation(40, records(...PROMOTED), host("two", ["one"])), "one", "two"),
    });
  });

  test("not while the promotion before is not settled", () => {
    const again = [...PROMOTED, [21, change("stage", "three")], [21, { event: "done", of: 6 }]] as const;
    const at = situation(25, records(...again), host("two", ["one", "three"]));
    const until = START + 20 * MINUTE + WAIT;
    assert.deepEqual(
      promote(at, "three", "two").map((each) => each.until),
      [until],
    );
    assert.equal(promotableAt(at, "three"), until);
    assert.deepEqual(promote({ ...at, now: until }, "three", "two"), []);
  });
});

describe("a key is retired", () => {
  const retire = (at: Situation, name = "one", active = "two") => objectionsToRetire(at, active, name);
  const promoted = records(...PROMOTED);
  const served: HistoryEvent = { event: "serve", key: "two", key_id_hash: hash("two") };

  test("when the running host was seen to encrypt with the next one for the whole wait", () => {
    const seen = records(...PROMOTED, [25, served]);
    const at = situation(25, seen, host("two", ["one"]));
    assert.deepEqual(
      retire(at).map((each) => each.until),
      [START + 25 * MINUTE + WAIT],
    );
    assert.deepEqual(retire({ ...at, now: START + 25 * MINUTE + WAIT }), []);
  });

  test("a host that was started or reloaded after the promotion is known to encrypt with it since its start", () => {
    const configuredAt = START + 22 * MINUTE;
    const at = situation(40, promoted, host("two", ["one"], configuredAt));
    assert.equal(inForceSince(at, "two"), configuredAt);
    assert.deepEqual(retire(at), []);
  });

  test("a host that was started before is known to encrypt with it from now on", () => {
    const at = situation(40, promoted, host("two", ["one"], START));
    assert.equal(inForceSince(at, "two"), at.now);
    assert.equal(retire(at)[0]?.until, at.now + WAIT);
  });

  test("and not otherwise: each reason is told", (t: TestContext) => {
    const seen = records(...PROMOTED, [25, served]);
    t.assert.snapshot({
      "no host": retire(situation(40, seen, undefined)),
      "not in force": retire(situation(40, seen, host("one", ["two"]))),
      "not loaded": retire(situation(40, seen, host("two", []))),
      "too early": retire(situation(26, seen, host("two", ["one"]))),
    });
  });

  test("at once if it was never active", () => {
    assert.deepEqual(retire(situation(10, records(...STAGED), undefined), "two", "one"), []);
  });
});

describe("the past of a key", () => {
  test("an interrupted change whose outcome is not known has not happened", () => {
    const past = pastOf(records(...STAGED, [20, change("promote", "two")]));
    assert.equal(past.active, "one");
    assert.equal(past.pending?.key, "two");
    const undone = pastOf(
      records(...STAGED, [20, change("promote", "two")], [21, { event: "undone", of: 4 }]),
    );
    assert.equal(undone.pending, undefined);
    assert.equal(mayHaveBeenActive(undone, "two"), false);
  });

  test("the outcome is the one that the configuration shows", () => {
    const interrupted = records(...STAGED, [20, change("promote", "two")]);
    const keys = (active: string) =>
      ["one", "old", "two"].map((name) => key(name, name === active ? "active" : "decrypt"));
    const events = (sha256: string, active: string) =>
      reconcile(interrupted, { sha256, keys: keys(active) }).events.map(({ event }) => event);
    assert.deepEqual(events("two", "two"), ["done"]);
    assert.deepEqual(events("", "one"), ["undone"]);
    // The same keys in another text: somebody did the rest by hand.
    assert.deepEqual(events("other", "two"), ["undone", "found"]);
  });

  test("a key that is retired and named again is a former one", () => {
    const all = [...PROMOTED, [30, change("retire", "one")], [30, { event: "done", of: 6 }]] as const;
    const past = pastOf(records(...all));
    assert.equal(past.uses.has("one"), false);
    assert.ok(mayHaveBeenActive(past, "one"));
    assert.equal(past.keys.get("one")?.retiredAt, START + 30 * MINUTE);
  });

  test("a key whose creation was interrupted was never active", () => {
    const past = pastOf(records(BEGIN, [5, { event: "create", key: "two", provider: "local" }]));
    assert.equal(mayHaveBeenActive(past, "two"), false);
  });
});
