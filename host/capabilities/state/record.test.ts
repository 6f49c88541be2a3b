import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { formatRecord, parseRecord } from "./record.ts";

const VALUE = Uint8Array.of(0, 10, 255);

/** A file whose checksum is right, whatever else its line says. */
function file(line: string, value: Uint8Array): Uint8Array {
  const sum = createHash("sha256").update(`${line}\n`).update(value).digest("hex").slice(0, 16);
  return Buffer.concat([Buffer.from(`${line} ${sum}\n`), value]);
}

test("parseRecord returns the value of formatRecord, as a copy", () => {
  for (const value of [VALUE, new Uint8Array(), new Uint8Array(16_384).fill(10)]) {
    const bytes = formatRecord("one", value);
    const read = parseRecord("one", bytes);
    bytes.fill(0);
    assert.deepEqual(read, value);
  }
});

test("formatRecord writes the line that the head of record.ts shows", () => {
  assert.deepEqual(Buffer.from(formatRecord("one", VALUE)), Buffer.from(file("kleidi-state-1 one 3", VALUE)));
});

const FAULTS: readonly (readonly [string, Uint8Array, string])[] = [
  ["an empty file", new Uint8Array(), "the file is empty"],
  [
    "another format",
    file("kleidi-state-2 one 3", VALUE),
    'it does not begin with a line of "kleidi-state-1"',
  ],
  ["no line end", Buffer.from("kleidi-state-1 one 0 0"), 'it does not begin with a line of "kleidi-state-1"'],
  ["a name that is another record's", file("kleidi-state-1 two 3", VALUE), 'the file holds the record "two"'],
  ["a length that is not the value's", file("kleidi-state-1 one 4", VALUE), "it holds 3 bytes and says 4"],
  ["a length in another form", file("kleidi-state-1 one 03", VALUE), "it holds 3 bytes and says 03"],
  [
    "a word too many",
    Buffer.concat([formatRecord("one", VALUE).subarray(0, -4), Buffer.from(" x\n"), VALUE]),
    "its checksum is wrong, so the file is damaged",
  ],
  ["no checksum", Buffer.from("kleidi-state-1 one 3\n"), "its checksum is wrong, so the file is damaged"],
];
for (const [what, bytes, fault] of FAULTS) {
  test(`parseRecord names the fault of a file that has ${what}`, () =>
    assert.equal(parseRecord("one", bytes), fault));
}
