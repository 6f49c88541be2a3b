import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  cut,
  cutWithLength,
  escapeForTerminal,
  escapeName,
  escapeOwnText,
  escapeProse,
  quote,
  replaceControls,
  replaceControlsInLines,
  replaceInvisible,
  replaceNonAscii,
  stringifyAscii,
} from "./text.ts";

const HARMFUL: [what: string, text: string, escaped: string][] = [
  ["an escape sequence", "a\u001b[2Jb", "a\\u{1b}[2Jb"],
  ["a control character of C1", "a\u009bb", "a\\u{9b}b"],
  ["a line end", "a\nb\r", "a\\u{a}b\\u{d}"],
  ["a direction override", "a\u202eb", "a\\u{202e}b"],
  ["an isolate", "a\u2066b\u2069", "a\\u{2066}b\\u{2069}"],
  ["a line separator", "a\u2028b", "a\\u{2028}b"],
  ["a zero-width space", "a\u200bb", "a\\u{200b}b"],
  ["an invisible filler", "a\u3164b", "a\\u{3164}b"],
  ["a tag character", "a\u{e0041}b", "a\\u{e0041}b"],
  ["a lone surrogate", "a\ud800b", "a\\u{d800}b"],
  ["an enclosing mark", "a\u0489b", "a\\u{489}b"],
];

for (const [what, text, escaped] of HARMFUL) {
  test(`${what} is escaped as its code point`, () => {
    for (const show of [escapeName, escapeOwnText, escapeProse]) assert.equal(show(text), escaped);
  });

  test(`${what} is replaced in a line of the log`, () => {
    assert.equal(replaceInvisible(text), escaped.replace(/\\u\{[^}]*\}/g, "\ufffd"));
  });

  test(`${what} does not reach a terminal`, () => {
    const shown = escapeForTerminal(text);
    assert.match(shown, /^a(\\u[0-9a-f]{4})+(b|\[2Jb|b\\u[0-9a-f]{4})$/);
    assert.equal(JSON.parse(`"${shown}"`), text);
  });
}

test("a look-alike letter of another alphabet is escaped in a name", () => {
  assert.equal(escapeName("kleidi:k\u0435ystore"), "kleidi:k\\u{435}ystore");
});

test("escapeProse keeps sentences in any language", () => {
  for (const text of ["το κλειδί μένει στον host", "चाबी यहीं रहती है", "กุญแจอยู่ที่นี่"])
    assert.equal(escapeProse(text), text);
});

test("stacked marks are escaped", () => {
  assert.equal(escapeProse("a\u0301\u0302\u0303\u0304b"), "a\u0301\u0302\\u{303}\\u{304}b");
});

test("a long name is truncated and shows its length", () => {
  assert.equal(escapeName("x".repeat(121)), `${"x".repeat(120)}… (121 characters)`);
});

test("JSON is ASCII and parses to the same value", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
      const written = stringifyAscii({ value, text });
      assert.match(written, /^[\x20-\x7e\n]*$/);
      assert.deepEqual(JSON.parse(written), JSON.parse(JSON.stringify({ value, text })));
    }),
  );
});

test("a line of JSON is the same value after escapeForTerminal", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const line = escapeForTerminal(JSON.stringify(text));
      assert.match(line, /^[\x20-\x7e]*$/);
      assert.equal(JSON.parse(line), text);
    }),
  );
});

test("escapeOwnText keeps the host's own symbols", () => {
  assert.equal(escapeOwnText("a → b… \ufffd é"), "a → b… \ufffd \\u{e9}");
});

test("replaceControls replaces control characters and keeps other invisible characters", () => {
  assert.equal(
    replaceControls("a\u202eb\nc\td\u2028e\ud800\u3164"),
    "a\ufffdb\ufffdc\ufffdd\ufffde\ufffd\u3164",
  );
});

test("replaceControlsInLines keeps line feeds and tabs", () => {
  assert.equal(replaceControlsInLines("a\u202eb\nc\td\re"), "a\ufffdb\nc\td\ufffde");
});

test("replaceNonAscii writes a question mark for each UTF-16 unit that is not printable ASCII", () => {
  assert.equal(replaceNonAscii("a é\n\x7f😀~"), "a ?????~");
});

test("quote escapes the control characters that JSON does not escape", () => {
  assert.equal(
    quote('a"\n\u001b\u009b\u202e\u2028\ud800'),
    '"a\\"\\n\\u001b\\u{9b}\\u{202e}\\u{2028}\\ud800"',
  );
});

test("cut counts the ellipsis", () => {
  assert.equal(cut("abc", 3), "abc");
  assert.equal(cut("abcd", 3), "ab…");
});

test("cutWithLength appends the length of the complete text", () => {
  assert.equal(cutWithLength("abc", 3), "abc");
  assert.equal(cutWithLength("abcd", 3), "abc… (4 characters)");
});
