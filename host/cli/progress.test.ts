import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { megabytes, progress } from "./progress.ts";

function stream(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  const through = new PassThrough();
  const own = Object.assign(through, { isTTY }) as unknown as NodeJS.WriteStream;
  return { stream: own, text: () => through.read()?.toString() ?? "" };
}

test("on a terminal the bar grows and is erased at the end", () => {
  const { stream: terminal, text } = stream(true);
  const bar = progress(2_000_000, megabytes, terminal);
  bar.add(1_000_000);
  assert.equal(text(), `\r${"#".repeat(15)}${".".repeat(15)} 50 % of 2 MB`);
  bar.end();
  assert.equal(text(), "\r\u001b[K");
});

test("without a terminal nothing is drawn", () => {
  const { stream: pipe, text } = stream(false);
  const bar = progress(2_000_000, megabytes, pipe);
  bar.add(1_000_000);
  bar.end();
  assert.equal(text(), "");
});

test("the total has the unit that is given", () => {
  const { stream: terminal, text } = stream(true);
  progress(4, (total) => `${total} secrets`, terminal).add(1);
  assert.equal(text(), `\r${"#".repeat(8)}${".".repeat(22)} 25 % of 4 secrets`);
});
