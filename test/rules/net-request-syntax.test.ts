/**
 * The configuration and the gate each parse the path of a request, and neither room may import the other: both must accept the same paths.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { pathFault } from "../../host/capabilities/net/policy.ts";
import { ALLOWED_PATH } from "../../host/capabilities/net/request-syntax.ts";

const pieces = fc.constantFrom(
  "/",
  "a",
  ".",
  "..",
  ";",
  "%2e",
  "\\",
  "?",
  "#",
  "é",
  "~!$&'()*+,=:@",
  "a".repeat(300),
);
const paths = fc.array(pieces, { maxLength: 8 }).map((some) => some.join(""));

test("a path can be granted exactly if it can be requested", () => {
  let taken = 0;
  fc.assert(
    fc.property(
      fc.oneof(
        paths,
        paths.map((path) => `/${path}`),
        fc.string({ maxLength: 20 }),
      ),
      (path) => {
        const can = pathFault(path) === undefined;
        if (can) taken += 1;
        assert.equal(ALLOWED_PATH.test(path), can, JSON.stringify(path));
      },
    ),
    { numRuns: 20_000 },
  );
  assert.ok(taken > 500, `only ${taken} were taken`);
});
