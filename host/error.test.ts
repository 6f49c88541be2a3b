import assert from "node:assert/strict";
import { test } from "node:test";
import { causesOfCode, ERRORS, type ErrorCode, type FaultName, KleidiError, toKleidiError } from "./error.ts";

const codes = Object.keys(ERRORS) as ErrorCode[];
const faults = codes.flatMap((code) => [...causesOfCode(code)]);
const firstOf = (code: ErrorCode): FaultName => [...causesOfCode(code).keys()][0] ?? "host-fault";

test("each error code has its gRPC code", () => {
  const actual = Object.fromEntries(codes.map((code) => [code, new KleidiError(firstOf(code), "x").grpc]));
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
    "reload-refused": 13,
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
    "provider-build": 13,
    "render-refused": 13,
    "path-refused": 13,
    "state-invalid": 13,
    "wall-missing": 13,
    "key-not-made": 13,
    "history-invalid": 13,
    "key-change-refused": 13,
  });
});

test("each code has at least one cause, whose name begins with the code", () => {
  for (const code of codes) {
    const names = [...causesOfCode(code).keys()];
    assert.ok(names.length > 0, code);
    for (const name of names) assert.ok(name === code || name.startsWith(`${code}/`), name);
    assert.equal(new KleidiError(firstOf(code), "x").code, code);
  }
});

for (const [fault, { cause, remedy }] of faults) {
  test(`${fault}: cause and remedy are sentences, and the remedy is the hint`, () => {
    assert.match(cause, /^[A-Z].{15,}\.$/);
    assert.match(remedy, /^[A-Z].{15,}\.$/);
    assert.equal(new KleidiError(fault, "x").hint, remedy);
  });
}

test("the causes of a code are different, and so are their remedies", () => {
  for (const code of codes) {
    const causes = [...causesOfCode(code).values()];
    assert.equal(new Set(causes.map(({ cause }) => cause)).size, causes.length, code);
    assert.equal(new Set(causes.map(({ remedy }) => remedy)).size, causes.length, code);
  }
});

test("the hint of a failure that repeats another one begins with the remedy of that one", () => {
  const { hint } = new KleidiError("reload-refused/broken", "x", undefined, "digest-differs");
  const remedies = [...causesOfCode("digest-differs").values()].map(({ remedy }) => remedy);
  assert.ok(hint.startsWith(`${remedies[0]} The host continues to serve`), hint);
});

test("a KleidiError without a cause has no cause property", () => {
  assert.equal(Object.hasOwn(new KleidiError("deadline/rpc", "x"), "cause"), false);
});

test("toKleidiError returns a KleidiError unchanged", () => {
  const error = new KleidiError("deadline/rpc", "Cannot wait");
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
