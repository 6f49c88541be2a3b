import assert from "node:assert/strict";
import { test } from "node:test";
import { Reader } from "./reader.ts";
import { EXCEPTIONS, GC } from "./refused.ts";
import { isValType, readValType } from "./types.ts";

const VALUES = new Map<number, string>([
  ...([
    [0x7f, "i32"],
    [0x7e, "i64"],
    [0x7d, "f32"],
    [0x7c, "f64"],
    [0x7b, "v128"],
  ] as const),
  ...([
    [0x70, "funcref"],
    [0x6f, "externref"],
  ] as const),
]);
/** Types of proposals (core specification 3.0, section 5.3), which are not in version 2.0. */
const OF_PROPOSALS = new Map<number, string>([
  ...[0x63, 0x64, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73, 0x77, 0x78].map(
    (code) => [code, GC] as const,
  ),
  ...[0x69, 0x74].map((code) => [code, EXCEPTIONS] as const),
]);

test("each byte is a value type of version 2.0, a type of a named proposal, or unknown", () => {
  for (let code = 0; code < 256; code++) {
    const read = () => readValType(new Reader(Uint8Array.of(code), 0));
    const value = VALUES.get(code);
    assert.equal(isValType(code), value !== undefined);
    if (value !== undefined) {
      assert.equal(read(), value);
      continue;
    }
    const why = OF_PROPOSALS.get(code);
    const shown = `0x${code.toString(16).padStart(2, "0")}`;
    const message = `the type ${shown} at byte 0 ${why === undefined ? "is unknown" : `belongs to ${why}`}`;
    assert.throws(read, { message });
  }
});
