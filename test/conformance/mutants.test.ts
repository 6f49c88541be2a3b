/** The score of the conformance kit: it must find every mutant of a good provider. A survivor is a defect of the kit. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Result } from "../../host/conformance/check.ts";
import { type Fixture, loadFixture } from "../../host/conformance/fixture.ts";
import { type KitOptions, OFFLINE, testModule } from "../../host/conformance/kit.ts";
import { theWall } from "../support/wall.ts";
import { MUTANTS, mutantOf, TOY_FIXTURE, toyModule } from "./mutants.ts";

let good: Buffer;
let fixture: Fixture;

before(async () => {
  good = await toyModule();
  fixture = loadFixture(TOY_FIXTURE);
});

/** Of each check that tries many variants: enough for these mutants, and the test is cheap. */
const VARIANTS = 24;

async function run(bytes: Buffer, more: Partial<KitOptions> = {}): Promise<Result[]> {
  const results: Result[] = [];
  const wall = await theWall();
  await testModule({
    bytes,
    fixture,
    levels: OFFLINE,
    wall,
    onResult: (result) => results.push(result),
    ...more,
  });
  return results;
}

/** Checks of capabilities that the toy does not use. */
const NOT_APPLICABLE = [
  "host_code_3_not_found",
  "host_code_4_not_authentic",
  "host_code_5_no_record",
  "host_code_5_when_given_back",
  "info_message_with_unknown_fields",
];

test("the good provider passes every check that applies", async () => {
  const others = (await run(good)).filter(({ result }) => result !== "pass");
  assert.deepEqual(
    others.map(({ name, text }) => [name, ...text]),
    NOT_APPLICABLE.map((name) => [name, "no host call of this kind is made"]),
  );
});

/** Set to list all checks that each mutant fails, and the checks that no mutant fails: ten times as long. */
const all = process.env.CONFORMANCE_ALL === "1";
const killers = new Map<string, number[]>();
const survivors: number[] = [];

describe("mutants", { concurrency: 2 }, () => {
  for (const [number, fault] of Object.entries(MUTANTS)) {
    test(fault, async (t) => {
      const results = await run(mutantOf(good, Number(number)), { bail: !all, variants: VARIANTS });
      const failed = results.filter(({ result }) => result === "fail").map(({ name }) => name);
      for (const name of failed) killers.set(name, [...(killers.get(name) ?? []), Number(number)]);
      if (failed.length === 0) survivors.push(Number(number));
      t.diagnostic(`${number}: found by ${failed.join(", ") || "nothing"}`);
      assert.notEqual(failed.length, 0, "the kit did not find it");
    });
  }
});

test("the score", async (t) => {
  const total = Object.keys(MUTANTS).length;
  t.diagnostic(`the kit found ${total - survivors.length} of ${total} mutants`);
  if (all) {
    const names = (await run(good)).filter(({ level }) => level > 0).map(({ name }) => name);
    t.diagnostic(`no mutant fails: ${names.filter((name) => !killers.has(name)).join(", ")}`);
  }
  assert.deepEqual(survivors, []);
  assert.ok(total >= 30);
});
