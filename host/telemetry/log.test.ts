import assert from "node:assert/strict";
import { test } from "node:test";
import { lossy } from "./log.ts";

test("lines that cannot be written are counted, and the count is told before the next one", () => {
  const written: string[] = [];
  let full = true;
  const log = lossy((text) => {
    if (full) throw new Error("ENOSPC");
    written.push(text);
  });
  for (let i = 0; i < 3; i++) log.write("lost\n");
  full = false;
  log.write("first\n");
  log.write("second\n");
  assert.equal(JSON.parse(written[0] ?? "").msg, "3 lines before this one could not be written");
  assert.deepEqual(written.slice(1), ["first\n", "second\n"]);
});
