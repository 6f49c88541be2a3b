import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBase64 } from "./base64.ts";

test("decoding an encoded value returns the same bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const decoded = decodeBase64(Buffer.from(bytes).toString("base64"));
      assert.deepEqual(decoded && [...decoded], [...bytes]);
    }),
  );
});

for (const [what, text] of [
  ["without padding", "AQI"],
  ["with nonzero bits after the last byte", "AQJ="],
  ["in the URL alphabet", "_-8="],
  ["with a line end", "AQI=\n"],
  ["with a space", "AQ I="],
  ["with a second value after the padding", "AQI=AQI="],
] as const)
  test(`base64 ${what} is refused`, () => assert.equal(decodeBase64(text), undefined));
