import assert from "node:assert/strict";
import { test } from "node:test";
import { testRefusals } from "../../test/support/config-faults.ts";
import { Document } from "./document.ts";
import { parseConfig } from "./parse.ts";

/** A text and the place of its fault. */
type Case = readonly [name: string, text: string, place: string];

const cases: readonly Case[] = [
  ["an empty file", "", "1:1"],
  ["a file of comments", "# nothing\n\n", "1:1"],
  ["a document that is null", "~\n", "1:1"],
  ["a document that is a list", "- a\n- b\n", "1:1"],
  ["a document that is text", "kleidi\n", "1:1"],
  ["a tab as indentation", "listen:\n\tsocket: a\n", "2:1"],
  ["a second document", "a: 1\n---\nb: 2\n", "2:1"],
  ["a document after the end marker", "a: 1\n...\nb: 2\n", "3:1"],
  ["a tag", "a: !secret hunter2\n", "1:4"],
  ["a tag on a mapping", "a: !thing { b: 1 }\n", "1:4"],
  ["a standard tag", "a: !!str 1\n", "1:4"],
  ["a complete tag", "a: !<tag:yaml.org,2002:str> 1\n", "1:4"],
  ["a tag without a name", "a: ! 1\n", "1:4"],
  ["a standard tag on a mapping", "a: !!map { b: 1 }\n", "1:4"],
  ["a standard tag on a list", "a:\n  - !!int 1\n", "2:5"],
  ["a standard tag on a key", "!!str a: 1\n", "1:1"],
  ["a tag on the whole document", "!!map\na: 1\n", "1:1"],
  ["a tag on nothing", "a: !!null\nb: 1\n", "1:4"],
  ["a directive for tags", "%TAG ! tag:x,2000:\n---\na: 1\n", "1:1"],
  [
    "a directive without effect, under a comment",
    "# comment\n\n%TAG !! tag:yaml.org,2002:\n---\na: 1\n",
    "3:1",
  ],
  ["another version of YAML", "%YAML 1.1\n---\na: 0660\n", "1:1"],
  ["an unknown directive", "%FOO\n---\na: 1\n", "1:1"],
  ["an unclosed quote", "a: 'hunter2\n", "2:1"],
  ["an unclosed bracket", "a: [1, 2\nb: 3\n", "2:1"],
  ["an extra bracket", "a: 1\n]\n", "2:1"],
  ["a value that begins with @", "a: @hunter2\n", "1:4"],
  ["an unknown escape", 'a: "\\q"\n', "1:5"],
  ["a colon in a value", "a: b: c\n", "1:4"],
  ["a line without a colon", "a: 1\nhunter2\nb: 1\n", "2:1"],
  ["a list as a key", "? [a]\n: b\n", "1:3"],
  ["wrong indentation", "a:\n    b: 1\n  c: 2\n", "3:1"],
  ["a key without a space after the colon", "a:1\n", "1:1"],
];

testRefusals(
  "text that is not the YAML of a configuration",
  cases.map(([name, text, place]) => ({ name, text, place })),
);

test("Document reports duplicate keys, anchors and aliases together and reads the rest", () => {
  const document = new Document("a: &x 1\na: 2\nb: *x\nc: [*x, { d: 1, d: 2 }]\n");
  assert.deepEqual(
    document.faults.map(({ line, column, path, actual }) => [line, column, path, actual]),
    [
      [1, 7, "a", "an anchor before it"],
      [2, 1, "a", "the key a second time, after line 1"],
      [3, 4, "b", "an alias of another value"],
      [4, 5, "c[0]", "an alias of another value"],
      [4, 17, "c[1].d", "the key a second time, after line 4"],
    ],
  );
  assert.deepEqual(document.value, { a: 1, b: undefined, c: [undefined, { d: 1 }] });
});

test("Document reports an alias once and not also as a wrong value", () => {
  const document = new Document("a: *x\n");
  assert.equal(document.isRefused(["a"]), true);
  assert.equal(document.isRefused(["a", "b"]), true);
  assert.equal(document.isRefused(["c"]), false);
});

test("Document reads keys as text and leaves __proto__ an ordinary key", () => {
  const { value } = new Document("1: a\nnull: b\ntrue: c\n__proto__: { polluted: 1 }\n");
  assert.ok(typeof value === "object" && value !== null);
  assert.deepEqual(Object.keys(value).sort(), ["1", "__proto__", "null", "true"]);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal("polluted" in value, false);
});

test("Document finds the place of a path", () => {
  const document = new Document('a:\n  b: [x, "y"]\n  c:\n');
  assert.deepEqual(
    [["a", "b", 1], ["a", "c"], ["a", "d"], ["e", 0], []].map((path) => {
      const { line, column, actual } = document.fault(path, { expected: "", remedy: "" });
      return `${line}:${column} ${actual}`;
    }),
    ['2:10 "y"', "3:3 nothing", "1:1 nothing", "1:1 nothing", "1:1 a mapping of 1 key"],
  );
});

for (const [name, text] of [
  ["100,000 brackets", "[".repeat(100_000)],
  ["100,000 nested lists", "- ".repeat(100_000)],
  ["a mapping of 20,000 unknown keys", Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join("\n")],
  ["20,000 bad providers", `providers: {${Array.from({ length: 20_000 }, (_, i) => `K${i}: 1`).join()}}`],
  ["20,000 keys", `providers: {a: 1}\nkeys: [${Array.from({ length: 20_000 }, () => "{name: a}").join()}]`],
  ["20,000 aliases", `keys: [${Array.from({ length: 20_000 }, () => "*a").join(", ")}]`],
])
  test(`Document terminates on ${name}`, { timeout: 60_000 }, () => {
    assert.throws(() => parseConfig(text ?? "", "/etc/k.yaml"), { code: "config-invalid" });
  });

const TEXT = { expected: "another value", remedy: "write it" };
const PLACES: readonly (readonly [
  what: string,
  text: string,
  path: readonly (string | number)[],
  described: string,
])[] = [
  ["nothing", "", [], "1:1 : nothing"],
  ["a lone line, which may be a secret", "hunter2", [], "1:1 : text"],
  ["a value", "a: hello\n", ["a"], '1:4 a: "hello"'],
  ["a value in a list", "a:\n  - 1\n  - hello\n", ["a", 1], '3:5 a[1]: "hello"'],
  ["a mapping", "a: { b: 1 }\n", ["a"], "1:4 a: a mapping of 1 key"],
];
for (const [what, text, path, described] of PLACES) {
  test(`a fault has the place and the description of ${what}`, () => {
    const { line, column, path: where, actual } = new Document(text).fault(path, TEXT);
    assert.equal(`${line}:${column} ${where}: ${actual}`, described);
  });
}

test("Document reads 16 levels; the fault of a 17th names only the first key", () => {
  const nested = (levels: number) => `a: ${"[".repeat(levels - 1)}1${"]".repeat(levels - 1)}\n`;
  assert.deepEqual(new Document(nested(16)).faults, []);
  const { faults } = new Document(nested(17));
  assert.deepEqual(
    faults.map(({ line, column, path, expected, actual }) => [`${line}:${column} ${path}`, expected, actual]),
    [["1:20 a", "at most 16 levels of nesting", "deeper nesting"]],
  );
});

test("an anchor before a key is a fault of that key", () => {
  const { faults } = new Document("a: { &x b: 1 }\n");
  assert.deepEqual(
    faults.map(({ path, actual }) => `${path}: ${actual}`),
    ["a.b: an anchor before it"],
  );
});
