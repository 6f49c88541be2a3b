import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { json, name, ours, prose } from "./shown.ts";

const HARMFUL: [what: string, text: string, escaped: string][] = [
  ["an escape sequence", "a\u001b[2Jb", "a\\u{1b}[2Jb"],
  ["a control character of C1", "a\u009bb", "a\\u{9b}b"],
  ["a line end", "a\nb\r", "a\\u{a}b\\u{d}"],
  ["a direction override", "a\u202eb", "a\\u{202e}b"],
  ["an isolate", "a\u2066b\u2069", "a\\u{2066}b\\u{2069}"],
  ["a line separator", "a\u2028b", "a\\u{2028}b"],
  ["a zero-width space", "a\u200bb", "a\\u{200b}b"],
  ["a filler that looks like nothing", "a\u3164b", "a\\u{3164}b"],
  ["a tag character", "a\u{e0041}b", "a\\u{e0041}b"],
  ["half a surrogate pair", "a\ud800b", "a\\u{d800}b"],
  ["a mark around a letter", "a\u0489b", "a\\u{489}b"],
];

for (const [what, text, escaped] of HARMFUL) {
  test(`${what} is shown by its number`, () => {
    for (const show of [name, ours, prose]) assert.equal(show(text), escaped);
  });
}

test("a letter of another alphabet does not pass for one of ours in a name", () => {
  assert.equal(name("kleidi:k\u0435ystore"), "kleidi:k\\u{435}ystore");
});

test("a sentence may be in any language", () => {
  for (const text of ["το κλειδί μένει στον host", "चाबी यहीं रहती है", "กุญแจอยู่ที่นี่"])
    assert.equal(prose(text), text);
});

test("marks that are piled up come down", () => {
  assert.equal(prose("a\u0301\u0302\u0303\u0304b"), "a\u0301\u0302\\u{303}\\u{304}b");
});

test("a long name is cut and its length told", () => {
  assert.equal(name("x".repeat(121)), `${"x".repeat(120)}… (121 characters)`);
});

test("JSON is ASCII, and the same value to whoever parses it", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
      const written = json({ value, text });
      assert.match(written, /^[\x20-\x7e\n]*$/);
      assert.deepEqual(JSON.parse(written), JSON.parse(JSON.stringify({ value, text })));
    }),
  );
});
