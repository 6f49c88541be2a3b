import assert from "node:assert/strict";
import { test } from "node:test";
import { namesOf } from "./grant.ts";

test("namesOf returns the names of both lists", () => {
  assert.deepEqual(namesOf({ keys: [], passphrases: ["kek"] }), ["kek"]);
  assert.deepEqual(namesOf({ keys: ["kek"] }), ["kek"]);
  assert.deepEqual(namesOf({ keys: ["a"], passphrases: ["b"] }), ["a", "b"]);
});
