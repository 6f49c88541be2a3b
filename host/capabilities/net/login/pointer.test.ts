import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertSentence, thrown } from "../../../../test/support/thrown.ts";
import { parsePointer, pointerText, valueAt } from "./pointer.ts";

const at = (document: unknown, text: string) => valueAt(document, parsePointer(text));

describe("a JSON pointer", () => {
  // RFC 6901, section 5
  const rfc = JSON.parse(
    '{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\\\j":5,"k\\"l":6," ":7,"m~n":8}',
  );
  const EXAMPLES: Readonly<Record<string, unknown>> = {
    "": rfc,
    "/foo": ["bar", "baz"],
    "/foo/0": "bar",
    "/": 0,
    "/a~1b": 1,
    "/c%d": 2,
    "/e^f": 3,
    "/g|h": 4,
    "/i\\j": 5,
    '/k"l': 6,
    "/ ": 7,
    "/m~0n": 8,
  };
  for (const [text, value] of Object.entries(EXAMPLES)) {
    test(`finds the value of the RFC's example "${text}"`, () => assert.deepEqual(at(rfc, text), value));
  }

  const NOTHING = [
    "/__proto__/x",
    "/constructor/name",
    "/toString",
    "/foo/length",
    "/foo/-",
    "/foo/00",
    "/foo/2",
    "/foo/0/0",
    "/foo/0/length",
    "/absent/deeper",
  ];
  for (const text of NOTHING)
    test(`finds nothing at "${text}"`, () => assert.equal(at(rfc, text), undefined));

  test("treats the document's own __proto__ like any other key", () => {
    assert.equal(at(JSON.parse('{"__proto__":{"x":1}}'), "/__proto__/x"), 1);
  });

  test("is formatted as it was parsed", () => {
    for (const text of ["", "/", "/foo/0", "/a~1b/m~0n/~01"]) {
      assert.equal(pointerText(parsePointer(text)), text);
    }
  });

  test("takes ~01 for ~1 and not for a slash", () => assert.equal(at({ "~1": 1, "/": 2 }, "/~01"), 1));

  for (const text of ["token", "/a~2", "/a~"]) {
    test(`rejects "${text}"`, (t) => assertSentence(t, thrown(() => parsePointer(text)).message));
  }
  test("has at most 16 keys", (t) => {
    assert.equal(parsePointer("/a".repeat(16)).length, 16);
    assertSentence(t, thrown(() => parsePointer("/a".repeat(17))).message);
  });
});
