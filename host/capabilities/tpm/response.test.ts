import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSentence } from "../../../test/support/thrown.ts";
import { codeOf, faultOf, managerAnswer, missingHandleOf, Rc } from "./response.ts";

/** Every code that reports a missing handle (TPM 2.0 Part 2, 6.6): the warnings REFERENCE_H0 and S0, and TPM_RC_HANDLE with a number. */
const GONE = new Map<number, string>([
  ...Array.from({ length: 7 }, (_, i) => [0x910 + i, `handles ${i}`] as const),
  ...Array.from({ length: 7 }, (_, i) => [0x918 + i, `sessions ${i}`] as const),
  ...Array.from({ length: 7 }, (_, i) => [0x18b + 0x100 * i, `handles ${i}`] as const),
  ...Array.from({ length: 7 }, (_, i) => [0x98b + 0x100 * i, `sessions ${i}`] as const),
  // The parameter of FlushContext, whatever its number.
  ...Array.from({ length: 16 }, (_, i) => [0x0cb + 0x100 * i, "ends 0"] as const),
]);

test("missingHandleOf recognizes each code that reports a missing handle, and no other", () => {
  for (let rc = 0; rc <= 0xffff; rc++) {
    const gone = missingHandleOf(rc);
    const said = gone === undefined ? undefined : `${gone.of} ${gone.place}`;
    assert.equal(said, GONE.get(rc), `0x${rc.toString(16)}`);
  }
});

test("managerAnswer is a complete response whose code names the resource manager's layer", () => {
  const answer = managerAnswer(Rc.OBJECT_MEMORY);
  assert.equal(Buffer.from(answer).toString("hex"), "80010000000a000b0902");
  assert.equal(faultOf(answer), undefined);
  assert.equal(codeOf(answer), Rc.OBJECT_MEMORY);
});

const FAULTS: readonly (readonly [string, string])[] = [
  ["no bytes", ""],
  ["a missing byte", "80010000000a000000"],
  ["a size that is too large", "80010000000b00000000"],
  ["a size that is too small", "80010000000a0000000000"],
  ["the tag of a command that does not exist", "80030000000a00000000"],
];
for (const [what, hex] of FAULTS) {
  test(`faultOf names ${what}`, (t) => {
    const fault = faultOf(Buffer.from(hex, "hex"));
    assert.ok(fault !== undefined);
    assertSentence(t, fault);
  });
}

test("faultOf finds no fault in a response with sessions", () => {
  assert.equal(faultOf(Buffer.from("80020000000a00000000", "hex")), undefined);
});
