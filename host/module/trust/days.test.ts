import assert from "node:assert/strict";
import { test } from "node:test";
import { endOfDay, hasEnded, parseExpiry } from "./days.ts";

test("a day ends at midnight in UTC", () => {
  assert.equal(hasEnded("2027-06-30", new Date("2027-06-30T23:59:59.999Z")), false);
  assert.equal(hasEnded("2027-06-30", new Date("2027-07-01T00:00:00.000Z")), true);
  assert.equal(hasEnded("2028-02-29", new Date("2028-02-29T12:00:00Z")), false);
});

test("an invalid date counts as ended", () => {
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
    assert.ok(Number.isNaN(endOfDay(day)), day);
    assert.equal(hasEnded(day, new Date(0)), true, day);
  }
});

test("every day counts as ended for an invalid clock", () => {
  assert.equal(hasEnded("2027-06-30", new Date(Number.NaN)), true);
});

for (const comment of [
  "expires:2027-01-31",
  "kleidi expires:2027-01-31",
  "timestamp:1795579233\tfile:x.wasm\texpires:2027-01-31\thashed",
]) {
  test(`parseExpiry finds the day in ${JSON.stringify(comment)}`, () => {
    assert.deepEqual(parseExpiry(comment), { day: "2027-01-31" });
  });
}

for (const comment of [
  "",
  "timestamp:1\tfile:x.wasm\thashed",
  "it never expires",
  "file:expires:soon",
  "unexpires:1",
]) {
  test(`parseExpiry finds no expiry in ${JSON.stringify(comment)}`, () => {
    assert.equal(parseExpiry(comment), undefined);
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
  test(`parseExpiry reports ${JSON.stringify(comment)} as a fault`, () => {
    assert.deepEqual(parseExpiry(comment), { fault });
  });
}
