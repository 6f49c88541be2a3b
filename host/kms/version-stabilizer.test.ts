import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VersionStabilizer } from "./version-stabilizer.ts";

const reported = (version: string, ...olderVersions: string[]) => ({ version, olderVersions });

/** The active version after each probe; undefined stands for a failed probe. */
function run(stableProbes: number, answers: readonly (string | undefined)[]): (string | undefined)[] {
  const stabilizer = new VersionStabilizer(stableProbes);
  let active: string | undefined;
  return answers.map((answer) => {
    if (answer === undefined) stabilizer.reset();
    else active = stabilizer.next(reported(answer), active).version;
    return active;
  });
}

test("the first version is adopted at once", () => {
  assert.deepEqual(run(3, ["1"]), ["1"]);
});

test("a new version is adopted after three consecutive probes", () => {
  assert.deepEqual(run(3, ["1", "2", "2", "2", "2"]), ["1", "1", "1", "2", "2"]);
});

test("a version that is reported once and disappears is never adopted", () => {
  assert.deepEqual(run(3, ["1", "2", "1", "2", "2", "1"]), ["1", "1", "1", "1", "1", "1"]);
});

test("two alternating versions are never adopted", () => {
  assert.deepEqual(run(3, ["1", "2", "3", "2", "3", "2", "3"]), Array(7).fill("1"));
});

test("a failed probe restarts the count", () => {
  assert.deepEqual(run(3, ["1", "2", "2", undefined, "2", "2", "2"]), ["1", "1", "1", "1", "1", "1", "2"]);
});

test("a retired version is never adopted again", () => {
  assert.deepEqual(run(1, ["1", "2", "1", "1", "1", "3", "2", "1"]), [
    "1",
    "2",
    "2",
    "2",
    "2",
    "3",
    "3",
    "3",
  ]);
});

test("with stableProbes 1, every new version is adopted at once", () => {
  assert.deepEqual(run(1, ["1", "2", "3"]), ["1", "2", "3"]);
});

test("a pending version decrypts, beside the older ones", () => {
  const stabilizer = new VersionStabilizer(3);
  stabilizer.next(reported("2", "1"), undefined);
  assert.deepEqual(stabilizer.next(reported("3", "2", "1"), "2"), reported("2", "3", "1"));
});

test("pending returns the candidate until it is adopted", () => {
  const stabilizer = new VersionStabilizer(2);
  assert.equal(stabilizer.pending, undefined);
  stabilizer.next(reported("2"), "1");
  assert.deepEqual(stabilizer.pending, { version: "2", probes: 1 });
  stabilizer.next(reported("2"), "1");
  assert.equal(stabilizer.pending, undefined);
});

test("each version change follows the configured number of consecutive probes", () => {
  const answers = fc.array(fc.option(fc.constantFrom("1", "2", "3"), { nil: undefined }), { maxLength: 40 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), answers, (stableProbes, all) => {
      const after = run(stableProbes, all);
      const runs = after.filter((now, i) => now !== after[i - 1]);
      assert.equal(new Set(runs).size, runs.length, "no version is adopted twice");
      for (const [i, now] of after.entries()) {
        const before = i === 0 ? undefined : after[i - 1];
        if (before === undefined || now === before) continue;
        assert.ok(i + 1 >= stableProbes);
        for (const answer of all.slice(i + 1 - stableProbes, i + 1)) assert.equal(answer, now);
      }
    }),
  );
});

test("a retired version restarts the count of a new one", () => {
  const answers = ["1", "2", "2", "2", "3", "3", "1", "3", "3", "3"];
  assert.deepEqual(run(3, answers), ["1", "1", "1", "2", "2", "2", "2", "2", "2", "3"]);
});

test("the unusable versions of each report are passed on, also while a new version waits", () => {
  const unusable = [{ reason: "version 1 is disabled", remedy: "enable it", ciphertextPrefixes: [] }];
  const versions = new VersionStabilizer(2).next({ ...reported("3"), unusable }, "2");
  assert.deepEqual(versions, { version: "2", olderVersions: ["3"], unusable });
});
