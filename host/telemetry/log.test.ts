import assert from "node:assert/strict";
import { test } from "node:test";
import { KleidiError } from "../error.ts";
import { endTornLines, failureFields, lossy } from "./log.ts";

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

test("a line that was written in part does not swallow the next one", () => {
  let disk = "";
  let room = 4;
  const write = endTornLines((bytes) => {
    if (room === 0) throw new Error("ENOSPC");
    const part = bytes.subarray(0, room);
    disk += Buffer.from(part).toString();
    room -= part.length;
    return part.length;
  });
  assert.throws(() => write("first line\n"));
  assert.throws(() => write("second line\n"));
  room = 100;
  write("third line\n");
  write("fourth line\n");
  assert.equal(disk, "firs\nthird line\nfourth line\n");
});

test("a cause that is guest text is marked as guest text", () => {
  const { hint, ...fields } = failureFields(
    new KleidiError("provider-fault/failed", "Cannot", "its own words"),
  );
  assert.ok(hint);
  assert.deepEqual(fields, { code: "provider-fault", guest: true, cause: "its own words" });
});

test("a cause that is an error of the host is not marked as guest text", () => {
  const fields = failureFields(new KleidiError("host-fault", "Cannot", new Error("our own")));
  assert.ok(!("guest" in fields));
  assert.match(String(fields.cause), /^Error: our own/);
});
