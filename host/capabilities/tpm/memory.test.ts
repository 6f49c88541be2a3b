import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Memory } from "./memory.ts";

function withBytes(): Memory {
  const memory = new Memory();
  memory.set(Uint8Array.of(0xde, 0xad));
  return memory;
}

test("a memory cannot be printed", () => {
  const memory = withBytes();
  assert.equal(`${memory}`, "[memory]");
  assert.equal(JSON.stringify({ memory }), '{"memory":"[memory]"}');
  assert.doesNotMatch(inspect(memory, { depth: 9, showHidden: true }), /222|173|dead/);
});

test("a memory is a copy, and can be taken once", () => {
  const bytes = Uint8Array.of(1);
  const memory = new Memory();
  memory.set(bytes);
  bytes.fill(9);
  assert.deepEqual(memory.take(), Uint8Array.of(1));
  assert.deepEqual(memory.take(), new Uint8Array());
});

test("a wiped memory is empty", () => {
  const memory = withBytes();
  memory.wipe();
  assert.deepEqual(memory.take(), new Uint8Array());
});

test("a replaced or wiped memory leaves no copy of its bytes", (t) => {
  const copies: Uint8Array[] = [];
  const from = Uint8Array.from.bind(Uint8Array);
  t.mock.method(Uint8Array, "from", (bytes: Uint8Array) => {
    const copy = from(bytes);
    copies.push(copy);
    return copy;
  });
  const memory = new Memory();
  memory.set(new Uint8Array([1, 2, 3]));
  memory.set(new Uint8Array([4, 5]));
  assert.deepEqual(copies, [new Uint8Array(3), new Uint8Array([4, 5])]);
  memory.wipe();
  assert.deepEqual(copies, [new Uint8Array(3), new Uint8Array(2)]);
});
