import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, nearest, pathText, quoted } from "./text.ts";

for (const [word, known, meant] of [
  ["sokcet", ["socket", "mode"], "socket"],
  ["SOCKET", ["socket"], "socket"],
  ["hostcalls", ["hostCalls"], "hostCalls"],
  ["log", ["lot"], "lot"],
  ["password", ["socket", "mode"], undefined],
  ["x", ["socket"], undefined],
  ["", ["socket"], undefined],
  ["x".repeat(100_000), ["socket"], undefined],
  ["kek-2", ["kek-1", "kek-3"], "kek-1"],
  ["a".repeat(64), ["a".repeat(63)], "a".repeat(63)],
  ["a".repeat(65), ["a".repeat(64)], undefined],
  ["xxx".padEnd(30, "a"), ["yyy".padEnd(30, "a")], "yyy".padEnd(30, "a")],
  ["xxxx".padEnd(30, "a"), ["yyyy".padEnd(30, "a")], undefined],
] as const)
  test(`nearest suggests ${meant} for ${JSON.stringify(word.slice(0, 20))}`, () =>
    assert.equal(nearest(word, known), meant));

test("cut keeps 60 characters and marks the truncation", () => {
  assert.equal(cut("x".repeat(60)), "x".repeat(60));
  assert.equal(cut("x".repeat(61)), `${"x".repeat(59)}…`);
});

test("quoted escapes characters that a terminal or a log viewer interprets", () => {
  assert.equal(
    quoted('a"\n\u001b\u009b\u202e\u2028\ud800'),
    '"a\\"\\n\\u001b\\u{9b}\\u{202e}\\u{2028}\\ud800"',
  );
});

test("pathText quotes names with special characters", () => {
  assert.equal(pathText(["keys", 0, "name"]), "keys[0].name");
  assert.equal(pathText(["providers", "a b", "module"]), 'providers["a b"].module');
  assert.equal(pathText([]), "");
});
