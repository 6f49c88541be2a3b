import assert from "node:assert/strict";
import { test } from "node:test";
import { KleidiError } from "../error.ts";
import { failureFields, lossy } from "./log.ts";

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

test("a cause that is a guest's own text is marked as a guest's line is", () => {
  const { hint, ...fields } = failureFields(new KleidiError("provider-fault", "Cannot", "its own words"));
  assert.ok(hint);
  assert.deepEqual(fields, { code: "provider-fault", guest: true, cause: "its own words" });
});

test("a cause that is an error of the host's is not marked as a guest's", () => {
  const fields = failureFields(new KleidiError("host-fault", "Cannot", new Error("our own")));
  assert.ok(!("guest" in fields));
  assert.match(String(fields.cause), /^Error: our own/);
});
