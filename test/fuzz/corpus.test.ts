/** The corpus of the fuzz targets: the form of an input, and the selection of inputs. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import fc from "fast-check";
import { Collection, LARGEST, readCorpus } from "./corpus.ts";
import { fromJson, toJson } from "./corpus-value.ts";
import { TARGETS } from "./targets.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "kleidi-corpus-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const key = fc.oneof(fc.string(), fc.constantFrom("__proto__", "$bytes", "$is", "$object", "constructor"));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(undefined, null, -0, Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 10n),
    fc.string({ unit: "binary" }),
    fc.constantFrom("\ud800", "\udc00\ud800"),
    fc.double(),
    fc.boolean(),
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

test("an input is read back unchanged", () => {
  fc.assert(
    fc.property(value, (value) => {
      const text = JSON.stringify(toJson(value));
      assert.deepEqual(Buffer.from(text).toString(), text);
      assert.deepEqual(fromJson(JSON.parse(text)), value);
    }),
  );
});

test("a value that is neither plain data nor bytes has no form", () => {
  for (const value of [() => 1, new Map(), [Symbol("x")], { at: new Date(0) }])
    assert.throws(() => toJson(value), TypeError);
});

test("three different inputs are kept for each outcome", () => {
  const collection = new Collection("t", root);
  const add = (value: unknown, ...outcomes: string[]) =>
    collection.wants("p", outcomes) && collection.add({ property: "p", outcomes }, value);
  assert.deepEqual(
    [1, 1, 2, 3, 4].map((value) => add([value], "a")),
    [true, false, true, true, false],
  );
  assert.ok(add([5], "a", "b"));
  assert.deepEqual(collection.write(), { added: 4, removed: 0 });
  const entries = readCorpus("t", root);
  assert.deepEqual(entries.map(({ input }) => input).sort(), [[1], [2], [3], [5]]);
  assert.ok(entries.every(({ property, found }) => property === "p" && found === undefined));
});

test("an input that made a property fail is always kept", () => {
  const collection = new Collection("t", root);
  for (const value of [1, 2, 3, 4])
    assert.ok(collection.add({ property: "p", outcomes: [], found: "Error: it failed" }, [value]));
  assert.equal(collection.write().added, 4);
});

test("an input that is too large or has no form is not kept", () => {
  const collection = new Collection("t", root);
  assert.equal(collection.add({ property: "p", outcomes: ["a"] }, ["x".repeat(LARGEST)]), false);
  assert.equal(collection.add({ property: "p", outcomes: ["a"] }, [() => 1]), false);
  assert.deepEqual(collection.write(), { added: 0, removed: 0 });
});

test("inputs that are no longer kept are removed", () => {
  const first = new Collection("t", root);
  first.add({ property: "p", outcomes: ["a"] }, [1]);
  first.write();
  const second = new Collection("t", root);
  second.add({ property: "p", outcomes: ["b"] }, [2]);
  assert.deepEqual(second.write(), { added: 1, removed: 1 });
  assert.deepEqual(
    readCorpus("t", root).map(({ input }) => input),
    [[2]],
  );
});

test("the corpus is small and belongs to existing targets", () => {
  const corpus = join(import.meta.dirname, "corpus");
  const names = TARGETS.map(({ name }) => name);
  let sum = 0;
  for (const target of readdirSync(corpus)) {
    assert.ok(names.includes(target), `${target} is not a target`);
    for (const name of readdirSync(join(corpus, target))) {
      const file = join(corpus, target, name);
      assert.match(name, /^[0-9a-f]{16}\.json$/);
      assert.ok(statSync(file).size <= LARGEST && readFileSync(file, "utf8").endsWith("}\n"), file);
      sum += statSync(file).size;
    }
  }
  assert.ok(sum <= 1 << 20, `${sum} bytes`);
});
