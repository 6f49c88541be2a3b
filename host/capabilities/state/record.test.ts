import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { assertSentence } from "../../../test/support/thrown.ts";
import { formatRecord, parseRecord } from "./record.ts";

const VALUE = Uint8Array.of(0, 10, 255);

/** A file with a correct checksum, whatever its line contains. */
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

test("formatRecord writes the line that the header of record.ts shows", () => {
  assert.deepEqual(Buffer.from(formatRecord("one", VALUE)), Buffer.from(file("kleidi-state-1 one 3", VALUE)));
});

const FAULTS: readonly (readonly [string, Uint8Array])[] = [
  ["an empty file", new Uint8Array()],
  ["another format", file("kleidi-state-2 one 3", VALUE)],
  ["no line end", Buffer.from("kleidi-state-1 one 0 0")],
  ["a name that is another record's", file("kleidi-state-1 two 3", VALUE)],
  ["a length that does not match the value", file("kleidi-state-1 one 4", VALUE)],
  ["a length in another form", file("kleidi-state-1 one 03", VALUE)],
  ["an extra word", Buffer.concat([formatRecord("one", VALUE).subarray(0, -4), Buffer.from(" x\n"), VALUE])],
  ["no checksum", Buffer.from("kleidi-state-1 one 3\n")],
];
for (const [what, bytes] of FAULTS) {
  test(`parseRecord names the fault of a file that has ${what}`, (t) => {
    const fault = parseRecord("one", bytes);
    assert.ok(typeof fault === "string");
    assertSentence(t, fault);
  });
}
