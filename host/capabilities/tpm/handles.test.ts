import assert from "node:assert/strict";
import { test } from "node:test";
import { HandleTable } from "./handles.ts";

test("handles start at 1000 hex, increase, and keep their type", () => {
  const table = new HandleTable();
  assert.deepEqual(
    [0x80000000, 0x02000001, 0x03000002].map((real) => table.add(real)),
    [0x80001000, 0x02001001, 0x03001002],
  );
  assert.equal(table.real(0x80001000), 0x80000000);
  assert.deepEqual([table.objects, table.sessions, table.size], [1, 2, 3]);
  assert.deepEqual([table.has(0x02000001), table.has(0x02001001)], [true, false]);
});

test("a dropped handle is invalid, and is not reused", () => {
  const table = new HandleTable();
  const first = table.add(0x80000000) as number;
  table.drop(first);
  assert.equal(table.real(first), undefined);
  assert.notEqual(table.add(0x80000000), first);
});

test("clear returns the TPM's handles, and numbering continues", () => {
  const table = new HandleTable();
  table.add(0x80000000);
  table.add(0x02000001);
  assert.deepEqual(table.clear(), [0x80000000, 0x02000001]);
  assert.equal(table.size, 0);
  assert.equal(table.add(0x80000000), 0x80001002);
});

test("the last handle is 80FFFFFE, and no further one exists until the table is cleared", () => {
  const table = new HandleTable();
  for (let given = 0x1000; given < 0xfffffe; given++) table.drop(table.add(0x80000000) as number);
  table.clear();
  assert.equal(table.add(0x80000000), 0x80fffffe, "it is assigned, whatever was cleared before");
  assert.equal(table.add(0x80000000), undefined);
  table.clear();
  assert.equal(table.add(0x80000000), 0x80001000);
});
