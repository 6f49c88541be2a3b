/** Errors and their messages, for tests: a test asserts code, path and byte itself, and leaves the wording to a snapshot. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";

/**
 * Calls a function that must throw.
 * @returns the error, with its code if it has one
 */
export function thrown(call: () => unknown): Error & { readonly code?: string } {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof Error, String(error));
    return error;
  }
  return assert.fail("the function did not throw");
}

/** Values of one run, such as a path or a port, or patterns of them (with the flag g), by the names that stand for them in a snapshot. */
export type Values = Readonly<Record<string, string | number | RegExp>>;

/**
 * Compares a sentence with the snapshot of the test. `--test-update-snapshots` writes it.
 * @param values each is replaced by its name, in this order
 * @example assertSentence(t, `${file} is empty`, { FILE: file });
 */
export function assertSentence(t: Pick<TestContext, "assert">, sentence: string, values: Values = {}): void {
  let text = sentence;
  for (const [name, value] of Object.entries(values))
    text = text.replaceAll(typeof value === "number" ? String(value) : value, name);
  t.assert.snapshot(text);
}

/** Compares lines with the snapshot of the test. `--test-update-snapshots` writes it. */
export function assertLines(t: TestContext, lines: readonly string[]): void {
  t.assert.snapshot(lines, { serializers: [(all) => all.join("\n")] });
}

/**
 * Compares sentences with the snapshot of the test, a line each. `--test-update-snapshots` writes it.
 * @param sentences by the name of their case
 */
export function assertSentences(t: TestContext, sentences: Readonly<Record<string, string>>): void {
  const lines = Object.entries(sentences).map(([name, sentence]) => `${name}: ${sentence}`);
  assertLines(t, lines);
}
