import assert from "node:assert/strict";
import { test } from "node:test";
import { ERRORS, type ErrorCode, KleidiError, toKleidiError } from "./error.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];

test("each error code has its gRPC code", () => {
  const actual = Object.fromEntries(codes.map((code) => [code, new KleidiError(code, "x").grpc]));
  assert.deepEqual(actual, {
    "request-invalid": 3,
    "request-too-large": 8,
    "ciphertext-invalid": 3,
    "annotations-invalid": 3,
    "key-unknown": 5,
    "key-not-ready": 9,
    "backend-unreachable": 14,
    "provider-unavailable": 14,
    "provider-quarantined": 9,
    "credential-refused": 16,
    "audit-failed": 14,
    "capability-denied": 7,
    overloaded: 8,
    deadline: 4,
    "provider-fault": 13,
    "read-back-failed": 13,
    "host-fault": 13,
    stopping: 14,
    // Only commands report these; as replies to RPCs they would have code 13.
    "config-invalid": 13,
    "module-invalid": 13,
    "module-ungranted": 13,
    "digest-differs": 13,
    "module-untrusted": 13,
    "socket-refused": 13,
    "admin-refused": 13,
    "audit-invalid": 13,
    "key-file-invalid": 13,
    "key-exists": 13,
    "key-locked": 13,
    "key-missing": 13,
    "render-refused": 13,
    "path-refused": 13,
    "state-invalid": 13,
    "wall-missing": 13,
    "key-not-made": 13,
    "history-invalid": 13,
    "key-change-refused": 13,
    "reload-refused": 13,
  });
});

for (const code of codes) {
  test(`the hint of ${code} is a sentence`, () => {
    assert.match(new KleidiError(code, "x").hint, /^[A-Z].{20,}\.$/);
  });
}

test("a KleidiError without a cause has no cause property", () => {
  assert.equal(Object.hasOwn(new KleidiError("deadline", "x"), "cause"), false);
});

test("toKleidiError returns a KleidiError unchanged", () => {
  const error = new KleidiError("deadline", "Cannot wait");
  assert.equal(toKleidiError(error, "encrypt"), error);
});

for (const thrown of [new TypeError("secret"), "secret", undefined, null, { message: "secret" }]) {
  test(`toKleidiError keeps the text of ${thrown instanceof Error ? "an Error" : JSON.stringify(thrown)} out of the message`, () => {
    const error = toKleidiError(thrown, "encrypt");
    assert.equal(error.code, "host-fault");
    assert.equal(error.message, "Cannot encrypt: an unexpected failure in the host");
    assert.equal(error.cause, thrown);
  });
}
