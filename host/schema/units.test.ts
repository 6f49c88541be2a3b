import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, memory } from "./units.ts";

const size = memory(64 * 1024, 256 * 1024 * 1024, 64 * 1024);
const time = duration(100, 2400);

const written: readonly (readonly [text: string, bytes: number | undefined])[] = [
  ["64KiB", 65_536],
  ["256MiB", 268_435_456],
  ["1MiB", 1_048_576],
  ["63KiB", undefined],
  ["65KiB", undefined],
  ["257MiB", undefined],
  ["0MiB", undefined],
  ["064KiB", undefined],
  ["+64KiB", undefined],
  ["64 KiB", undefined],
  ["64kib", undefined],
  ["64KiB\n", undefined],
  ["64", undefined],
  ["1.5MiB", undefined],
  ["", undefined],
  ["9999999999MiB", undefined],
];
for (const [text, bytes] of written)
  test(`memory reads ${JSON.stringify(text)} as ${bytes}`, () => assert.equal(size.parse(text), bytes));

for (const [text, ms] of [
  ["100ms", 100],
  ["2400ms", 2400],
  ["2s", 2000],
  ["99ms", undefined],
  ["2401ms", undefined],
  ["3s", undefined],
  ["2S", undefined],
  ["1m", undefined],
] as const)
  test(`duration reads ${text} as ${ms}`, () => assert.equal(time.parse(text), ms));

for (const [quantity, text, meant] of [
  [size, "16MB", "16MiB"],
  [size, "16 mib", "16MiB"],
  [size, "16Mi", "16MiB"],
  [size, "16777216", "16MiB"],
  [size, "1.5MiB", "1536KiB"],
  [size, "100KiB", "128KiB"],
  [size, "0", "64KiB"],
  [size, "2GiB", "256MiB"],
  [size, "16 apples", undefined],
  [size, "much", undefined],
  [time, "2", undefined],
  [time, "0.5s", "500ms"],
  [time, "2 seconds", "2s"],
  [time, "1m", "2400ms"],
  [time, "1ms", "100ms"],
] as const)
  test(`the suggestion for the quantity ${JSON.stringify(text)} is ${meant}`, () => {
    assert.equal(quantity.suggest(text), meant);
    if (meant !== undefined) assert.notEqual(quantity.parse(meant), undefined);
  });
