import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { lineFor } from "../schema/line.ts";
import { ConfigError } from "./config-error.ts";
import { parseConfig } from "./parse.ts";

const TEXT = `apiVersion: kleidi.dev/v1
listen: { socket: /run/kleidi/kms.sock }
keystore: { directory: keys }
providers:
  local:
    module: local.wasm
    sha256: ${"0123456789abcdef".repeat(4)}
    grants: { keystore: { keys: [kek] } }
    limits: { hostCalls: 8 }
keys: [{ name: kek, provider: local, use: active }]
`;

/** The path, the expectation and the correction of each fault. */
function faultsOf(text: string): string[] {
  try {
    parseConfig(text, "/etc/k.yaml");
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(({ path, expected, remedy }) => `${path}: expected ${expected}; ${remedy}`);
  }
}

test("the unchanged text has no fault", () => assert.deepEqual(faultsOf(TEXT), []));

test("the correction of a quoted number is the number", () => {
  const [fault = ""] = faultsOf(TEXT.replace("hostCalls: 8", 'hostCalls: "17"'));
  assert.match(fault, /^providers\.local\.limits\.hostCalls: expected .*; write: hostCalls: 17$/);
  const [other = ""] = faultsOf(`${TEXT}audit: { file: /a.jsonl, rotate: { size: 16MiB, keep: "5" } }\n`);
  assert.match(other, /^audit\.rotate\.keep: expected .*; write: keep: 5$/);
});

test("the fault of an unknown key lists the known keys", () => {
  assert.deepEqual(faultsOf(TEXT.replace("{ directory: keys }", "{ directory: keys, colour: red }")), [
    "keystore.colour: expected the key directory; remove it",
  ]);
  const [fault = ""] = faultsOf(TEXT.replace("use: active", "use: active, colour: red"));
  assert.match(fault, /^keys\[0\]\.colour: expected one of the keys name, .*; remove it$/);
});

const LINES: readonly (readonly [
  what: string,
  path: readonly (string | number)[],
  value: unknown,
  line: string,
])[] = [
  ["a key's value", ["a", "b"], "text", "b: text"],
  ["an item", ["a", 0], 7, "- 7"],
  ["a value without a key", [], "text", "text"],
  ["a value that YAML would read as a number", ["a"], "7", 'a: "7"'],
  ["an escape", ["a"], "x\u001b[2J", String.raw`a: "x\e[2J"`],
  ["a non-ASCII control character", ["a"], "x\u009by\u2028", String.raw`a: "x\u009by\u2028"`],
  ["an invisible character of more than 16 bits", ["a"], "x\u{e0001}y", String.raw`a: "x\U000e0001y"`],
];
for (const [what, path, value, line] of LINES) {
  test(`lineFor writes ${what} as YAML that parses to the same value`, () => {
    assert.equal(lineFor(path, { value }), line);
    const read: unknown = parse(line);
    assert.deepEqual(
      read,
      path.length === 0 ? value : typeof path.at(-1) === "number" ? [value] : { [`${path.at(-1)}`]: value },
    );
  });
}
