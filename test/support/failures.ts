/** Assertions on failures: the test asserts the code; the message is in the room's snapshot. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type ErrorCode, KleidiError } from "../../host/error.ts";
import { assertSentence, type Values } from "./thrown.ts";

/**
 * @param work throws, or returns a promise that rejects
 * @returns the KleidiError of the work
 * @throws AssertionError if the work succeeds or fails with another error
 */
export async function failureOf(work: () => unknown): Promise<KleidiError> {
  const error = await errorOf(work);
  assert.ok(error instanceof KleidiError, String(error));
  return error;
}

/** @returns the error of work that throws, or that returns a promise that rejects */
export async function errorOf(work: () => unknown): Promise<Error> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof Error, String(error));
    return error;
  }
  return assert.fail("the work did not fail");
}

/**
 * Asserts that work fails with a code, and compares its message with the snapshot of the test file.
 * @param values see assertSentence
 * @example await assertFailure(t, "request-invalid", () => parseKeyId(""));
 */
export async function assertFailure(
  t: Pick<TestContext, "assert">,
  code: ErrorCode,
  work: () => unknown,
  values: Values = {},
): Promise<void> {
  const failure = await failureOf(work);
  assert.equal(failure.code, code);
  assertSentence(t, failure.message, values);
}

/**
 * Asserts that work fails with a kind of error, and compares its message with the snapshot of the test file.
 * @param values see assertSentence
 * @example await assertError(t, Unreachable, () => transport.send(request, signal), { PORT: port });
 */
export async function assertError(
  t: Pick<TestContext, "assert">,
  kind: abstract new (...args: never[]) => Error,
  work: () => unknown,
  values: Values = {},
): Promise<void> {
  const error = await errorOf(work);
  assert.ok(error instanceof kind, String(error));
  assertSentence(t, error.message, values);
}

/** Asserts the code of a host call that has no body in its reply, and compares its message with the snapshot of the test file. */
export function assertRefused(
  t: Pick<TestContext, "assert">,
  reply: { readonly code: number; readonly message: string; readonly body: Uint8Array },
  code: number,
  values: Values = {},
): void {
  assert.deepEqual([reply.code, reply.body.length], [code, 0]);
  assertSentence(t, reply.message, values);
}

/**
 * The messages of a table of cases, for one snapshot.
 * @param cases by name, work that throws or rejects with an Error
 * @returns the messages of the errors by name
 */
export async function messagesOf(
  cases: readonly (readonly [name: string, work: () => unknown])[],
): Promise<Readonly<Record<string, string>>> {
  const messages = cases.map(async ([name, work]) => [name, (await errorOf(work)).message] as const);
  return Object.fromEntries(await Promise.all(messages));
}
