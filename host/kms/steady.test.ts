import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Steady } from "./steady.ts";

const named = (version: string, ...olderVersions: string[]) => ({ version, olderVersions });

/** The versions that are written with, after each answer. */
function run(probes: number, answers: readonly (string | undefined)[]): (string | undefined)[] {
  const steady = new Steady(probes);
  let current: string | undefined;
  return answers.map((answer) => {
    if (answer === undefined) steady.forget();
    else current = steady.take(named(answer), current).version;
    return current;
  });
}

test("the first version is taken at once", () => {
  assert.deepEqual(run(3, ["1"]), ["1"]);
});

test("a new version counts when it was named three times in a row", () => {
  assert.deepEqual(run(3, ["1", "2", "2", "2", "2"]), ["1", "1", "1", "2", "2"]);
});

test("a version that is named once and vanishes never counts", () => {
  assert.deepEqual(run(3, ["1", "2", "1", "2", "2", "1"]), ["1", "1", "1", "1", "1", "1"]);
});

test("two versions in turns never count", () => {
  assert.deepEqual(run(3, ["1", "2", "3", "2", "3", "2", "3"]), Array(7).fill("1"));
});

test("a probe that named nothing ends the row", () => {
  assert.deepEqual(run(3, ["1", "2", "2", undefined, "2", "2", "2"]), ["1", "1", "1", "1", "1", "1", "2"]);
});

test("a version that was left is never written with again, however often it is named", () => {
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

test("with one probe, every version counts at once", () => {
  assert.deepEqual(run(1, ["1", "2", "3"]), ["1", "2", "3"]);
});

test("until it counts, a new version is one that still decrypts, beside the others", () => {
  const steady = new Steady(3);
  steady.take(named("2", "1"), undefined);
  assert.deepEqual(steady.take(named("3", "2", "1"), "2"), named("2", "3", "1"));
});

test("coming says what is on its way, and nothing once it counts", () => {
  const steady = new Steady(2);
  assert.equal(steady.coming, undefined);
  steady.take(named("2"), "1");
  assert.deepEqual(steady.coming, { version: "2", seen: 1 });
  steady.take(named("2"), "1");
  assert.equal(steady.coming, undefined);
});

test("whatever is answered, each move was named as often as asked, in a row, right before it", () => {
  const answers = fc.array(fc.option(fc.constantFrom("1", "2", "3"), { nil: undefined }), { maxLength: 40 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), answers, (probes, all) => {
      const after = run(probes, all);
      const runs = after.filter((now, i) => now !== after[i - 1]);
      assert.equal(new Set(runs).size, runs.length, "no version comes back");
      for (const [i, now] of after.entries()) {
        const before = i === 0 ? undefined : after[i - 1];
        if (before === undefined || now === before) continue;
        assert.ok(i + 1 >= probes);
        for (const answer of all.slice(i + 1 - probes, i + 1)) assert.equal(answer, now);
      }
    }),
  );
});

test("a version that was left ends the row of a new one", () => {
  const answers = ["1", "2", "2", "2", "3", "3", "1", "3", "3", "3"];
  assert.deepEqual(run(3, answers), ["1", "1", "1", "2", "2", "2", "2", "2", "2", "3"]);
});
