import assert from "node:assert/strict";
import { test } from "node:test";
import { BOUNDS, clean, type HostCallNote, Recorder } from "./recorder.ts";

const CALL: HostCallNote = {
  provider: "local",
  rpc: "decrypt",
  capability: "keystore",
  operation: "open",
  verdict: "allowed",
  why: "grants.keystore",
  target: "kek",
};

test("host calls are counted by operation, with their last distinct targets", () => {
  const recorder = new Recorder();
  for (const target of ["a", "b", "a", "c", "d", "e", "f", "b"]) recorder.hostCall({ ...CALL, target });
  recorder.hostCall({ ...CALL, verdict: "refused", target: undefined });
  recorder.hostCall({ ...CALL, operation: "seal", verdict: "denied", target: undefined });
  assert.deepEqual(recorder.reached("local"), [
    {
      capability: "keystore",
      operation: "open",
      allowed: 8,
      denied: 0,
      refused: 1,
      targets: ["b", "f", "e", "d", "c"],
    },
    { capability: "keystore", operation: "seal", allowed: 0, denied: 1, refused: 0, targets: [] },
  ]);
  assert.deepEqual(recorder.reached("nobody"), []);
});

test("the last denials are kept, the latest first", () => {
  const recorder = new Recorder();
  for (let i = 0; i < 60; i++) recorder.hostCall({ ...CALL, verdict: "denied", why: `reason ${i}` });
  recorder.hostCall(CALL);
  const denials = recorder.denials();
  assert.equal(denials.length, BOUNDS.denials);
  assert.deepEqual([denials[0]?.why, denials.at(-1)?.why], ["reason 59", "reason 10"]);
  assert.deepEqual(denials[0]?.request, "keystore open");
});

test("changes are kept, the latest first", () => {
  const recorder = new Recorder();
  recorder.changed("key kek", true, "it is ready");
  recorder.changed("key kek", false, "backend-unreachable");
  assert.deepEqual(
    recorder.changes().map(({ good, detail }) => [good, detail]),
    [
      [false, "backend-unreachable"],
      [true, "it is ready"],
    ],
  );
});

test("a failed probe keeps the time of the last good one", () => {
  const recorder = new Recorder();
  assert.equal(recorder.lastProbe("kek"), undefined);
  recorder.probe("kek", "failed");
  assert.equal(recorder.lastProbe("kek")?.goodAgeMs, undefined);
  recorder.probe("kek", "good");
  recorder.probe("kek", "failed");
  const probe = recorder.lastProbe("kek");
  assert.equal(probe?.result, "failed");
  assert.ok((probe?.goodAgeMs ?? -1) >= 0);
});

test("a text is truncated, and characters that hide or reverse text are replaced", () => {
  assert.equal(clean(`a\u202eb\u0000c\nd\u2028e`), "a\ufffdb\ufffdc\ufffdd\ufffde");
  assert.equal(clean("x".repeat(1_000_000)).length, BOUNDS.text + 1);
  const split = clean(`${"x".repeat(BOUNDS.text - 1)}\u{1f600}`);
  assert.ok(split.isWellFormed(), "a character is not cut in half");
});

test("a million calls with invented names stay within the memory limits", () => {
  const recorder = new Recorder();
  const long = "y".repeat(200);
  for (let i = 0; i < 1_000_000; i++) {
    recorder.hostCall({
      provider: `p${i % 1000}`,
      rpc: "decrypt",
      capability: "keystore",
      operation: `op${i % 977}`,
      verdict: i % 3 === 0 ? "denied" : "allowed",
      why: `${i}${long}`,
      target: `${i}${long}`,
    });
    if (i % 100 === 0) {
      recorder.changed(`key ${i}`, false, `${i}${long}`);
      recorder.probe(`key ${i}`, "good");
    }
  }
  const providers = Array.from({ length: 1000 }, (_, i) => recorder.reached(`p${i}`)).filter(
    (rows) => rows.length > 0,
  );
  assert.equal(providers.length, BOUNDS.names);
  for (const rows of providers) {
    assert.ok(rows.length <= BOUNDS.operations + 1, `${rows.length} operations`);
    for (const { targets } of rows) assert.ok(targets.length <= BOUNDS.targets);
  }
  assert.equal(recorder.denials().length, BOUNDS.denials);
  assert.equal(recorder.changes().length, BOUNDS.changes);
  const size = JSON.stringify([providers, recorder.denials(), recorder.changes()]).length;
  const most = BOUNDS.names * (BOUNDS.operations + 1) * ((BOUNDS.targets + 1) * (BOUNDS.text + 50)) + 100_000;
  assert.ok(size < most, `${size} characters`);
});

test("the probes of at most 128 keys are kept", () => {
  const recorder = new Recorder();
  for (let i = 0; i < 130; i++) recorder.probe(`key ${i}`, "good");
  recorder.probe("key 127", "failed");
  assert.equal(recorder.lastProbe("key 127")?.result, "failed");
  assert.equal(recorder.lastProbe("key 128"), undefined);
});

test("lastProbe returns the age of the last good probe", (t) => {
  let now = 1000;
  t.mock.method(performance, "now", () => now);
  const recorder = new Recorder();
  recorder.probe("kek", "failed");
  assert.equal(recorder.lastProbe("kek")?.goodAgeMs, undefined);
  recorder.probe("kek", "good");
  now = 1250;
  recorder.probe("kek", "failed");
  now = 1300;
  assert.deepEqual(
    [recorder.lastProbe("kek")?.result, recorder.lastProbe("kek")?.goodAgeMs],
    ["failed", 300],
  );
});
