import assert from "node:assert/strict";
import { test } from "node:test";
import { endOf, expiryIn, isOver } from "./days.ts";

test("a day lasts to its end in UTC", () => {
  assert.equal(isOver("2027-06-30", new Date("2027-06-30T23:59:59.999Z")), false);
  assert.equal(isOver("2027-06-30", new Date("2027-07-01T00:00:00.000Z")), true);
  assert.equal(isOver("2028-02-29", new Date("2028-02-29T12:00:00Z")), false);
});

test("what is no day has no end, and is over", () => {
  for (const day of [
    "",
    "2027",
    "2027-02-29",
    "2027-13-01",
    "2027-00-10",
    "2027-1-1",
    "2027-06-30T00:00:00Z",
    "٢٠٢٧-06-30",
  ]) {
    assert.ok(Number.isNaN(endOf(day)), day);
    assert.equal(isOver(day, new Date(0)), true, day);
  }
});

test("nothing is within its day for a clock that tells no time", () => {
  assert.equal(isOver("2027-06-30", new Date(Number.NaN)), true);
});

for (const comment of [
  "expires:2027-01-31",
  "kleidi expires:2027-01-31",
  "timestamp:1795579233\tfile:x.wasm\texpires:2027-01-31\thashed",
]) {
  test(`expiryIn finds the day in ${JSON.stringify(comment)}`, () => {
    assert.deepEqual(expiryIn(comment), { day: "2027-01-31" });
  });
}

for (const comment of [
  "",
  "timestamp:1\tfile:x.wasm\thashed",
  "it never expires",
  "file:expires:soon",
  "unexpires:1",
]) {
  test(`expiryIn finds no limit in ${JSON.stringify(comment)}`, () => {
    assert.equal(expiryIn(comment), undefined);
  });
}

for (const [comment, fault] of [
  ["expires:2027-02-30", "expires:2027-02-30"],
  ["expires:soon", "expires:soon"],
  ["expires:", "expires:"],
  ["expires: 2027-01-31", "expires: 2027-01-31"],
  ["expires :2027-01-31", "expires :2027-01-31"],
  ["expires=2027-01-31", "expires=2027-01-31"],
  ["Expires:2027-01-31", "Expires:2027-01-31"],
  ["expiry:2027-01-31", "expiry:2027-01-31"],
  ["expires:2027-01-31.", "expires:2027-01-31."],
  ["expires:2027-01-31T00:00Z", "expires:2027-01-31T00:00Z"],
  ["expires:2027-01-31 expires:2028-01-31", "expires:2027-01-31 expires:2028-01-31"],
  ["expires:2027-01-31 expires:2027-01-31", "expires:2027-01-31 expires:2027-01-31"],
] as const) {
  test(`expiryIn takes ${JSON.stringify(comment)} for a fault, not for no limit`, () => {
    assert.deepEqual(expiryIn(comment), { fault });
  });
}
