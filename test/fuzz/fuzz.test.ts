/** Each fuzz target for a short time, with a random seed; npm run fuzz runs them for long. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { HANG_MS, readCorpus, replay } from "./corpus.ts";
import { describeFailure, describeKept } from "./report.ts";
import type { OpenTarget } from "./target.ts";
import { TARGETS } from "./targets.ts";

const NO_PROPERTY = "it names a property that does not exist; npm run fuzz -- --keep removes it";
const OTHER_OUTCOME = "if that is right, npm run fuzz -- --keep files it under the new outcome";

for (const target of TARGETS) {
  describe(`fuzz target ${target.name}`, () => {
    const outcomes = new Set<string>();
    let opened: OpenTarget;
    before(async () => {
      opened = await target.open((outcome) => outcomes.add(outcome));
    });
    after(() => opened.close?.());

    test("every property holds for the inputs in the corpus, each with its recorded outcomes", async () => {
      for (const entry of readCorpus(target.name)) {
        const property = opened.properties.find(({ name }) => name === entry.property);
        assert.ok(property, `${entry.file}: ${NO_PROPERTY}`);
        outcomes.clear();
        const error = await replay(property, entry);
        assert.equal(error, undefined, describeKept(entry, error));
        if (property.timed) continue;
        const missed = entry.outcomes.filter((outcome) => !outcomes.has(outcome));
        assert.deepEqual(missed, [], `${entry.file} has the outcomes ${[...outcomes]}: ${OTHER_OUTCOME}`);
      }
    });

    test("every property holds for new inputs, which reach every required outcome", async (t) => {
      for (const property of opened.properties) {
        outcomes.clear();
        const seed = randomInt(2 ** 31);
        const details = await fc.check(property.property, {
          seed,
          numRuns: property.cases,
          timeout: HANG_MS,
        });
        assert.ok(!details.failed, describeFailure(target.name, property, details));
        const missed = property.reaches.filter((outcome) => !outcomes.has(outcome));
        assert.deepEqual(missed, [], `seed ${seed}: no case reached these outcomes of: ${property.name}`);
        t.diagnostic(`${details.numRuns} cases, seed ${seed}: ${property.name}`);
      }
    });
  });
}
