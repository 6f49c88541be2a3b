import assert from "node:assert/strict";
import { test } from "node:test";
import { KleidiError } from "../error.ts";
import { failureFields, lossy } from "./log.ts";

test("lines that cannot be written are counted, and the count is logged before the next line", (t) => {
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
  t.assert.snapshot(JSON.parse(written[0] ?? "").msg);
  assert.deepEqual(written.slice(1), ["first\n", "second\n"]);
});

test("a cause that is guest text is marked as guest text", () => {
  const { hint, ...fields } = failureFields(new KleidiError("provider-fault", "Cannot", "its own words"));
  assert.ok(hint);
  assert.deepEqual(fields, { code: "provider-fault", guest: true, cause: "its own words" });
});

test("a cause that is an error of the host is not marked as guest text", () => {
  const fields = failureFields(new KleidiError("host-fault", "Cannot", new Error("our own")));
  assert.ok(!("guest" in fields));
  assert.match(String(fields.cause), /^Error: our own/);
});
