/** Tables of configuration texts that parseConfig refuses, for the tests of host/config. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../../host/config/config-error.ts";
import { parseConfig } from "../../host/config/parse.ts";

const FILE = "/etc/k.yaml";

/** A text with one fault. */
export interface RefusedText {
  /** The name of the text; it follows "parseConfig refuses". */
  readonly name: string;
  readonly text: string;
  /** The place of the fault as "line:column path", 1-based; without a path for the whole document. */
  readonly place: string;
}

/**
 * Parses a text that parseConfig must refuse.
 * @returns the error, whose code is config-invalid
 */
export function refusal(text: string): ConfigError {
  try {
    parseConfig(text, FILE);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, "config-invalid");
    return error;
  }
  assert.fail("the configuration was accepted");
}

/**
 * Adds one test for each text, which asserts the code and the place of its fault, and one that compares all sentences with a snapshot.
 * @param table names the snapshot
 */
export function testRefusals(table: string, texts: readonly RefusedText[]): void {
  for (const { name, text, place } of texts)
    test(`parseConfig refuses ${name}`, () => void sentenceAt(place, text));
  test(`the faults of ${table} name the expectation, the value found and the correction`, (t) => {
    const sentences = texts.map(({ name, text, place }) => `${name}\n  ${sentenceAt(place, text)}`);
    t.assert.snapshot(sentences.join("\n"), { serializers: [String] });
  });
}

/** The message after the place, which must be the only one. */
function sentenceAt(place: string, text: string): string {
  const { message } = refusal(text);
  const start = `Cannot use the configuration ${FILE}: 1 fault\n${FILE}:${place}: `;
  assert.equal(message.slice(0, start.length), start, message);
  const sentence = message.slice(start.length);
  assert.doesNotMatch(sentence, /\n/);
  return sentence;
}
