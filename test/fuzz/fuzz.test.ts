/** Each fuzz target for a moment, with a seed of its own each time; npm run fuzz runs them for long. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { describeFailure } from "./report.ts";
import type { OpenTarget } from "./target.ts";
import { TARGETS } from "./targets.ts";

for (const target of TARGETS) {
  describe(`fuzz target ${target.name}`, () => {
    const outcomes = new Set<string>();
    let opened: OpenTarget;
    before(async () => {
      opened = await target.open((outcome) => outcomes.add(outcome));
    });
    after(() => opened.close?.());

    test("every property holds, of cases that reach deep", async (t) => {
      for (const property of opened.properties) {
        outcomes.clear();
        const seed = randomInt(2 ** 31);
        const details = await fc.check(property.property, { seed, numRuns: property.cases });
        assert.ok(!details.failed, describeFailure(target.name, property, details));
        const missed = property.reaches.filter((outcome) => !outcomes.has(outcome));
        assert.deepEqual(missed, [], `seed ${seed}: no case came so far that ${property.name}`);
        t.diagnostic(`${details.numRuns} cases, seed ${seed}: ${property.name}`);
      }
    });
  });
}
