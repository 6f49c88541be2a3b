import assert from "node:assert/strict";
import { test } from "node:test";
import { grantLine } from "./grant-lines.ts";
import { parseConfig } from "./parse.ts";

const sha256 = "0123456789abcdef".repeat(4);
const text = (grants: string) => `apiVersion: kleidi.dev/v1
listen: { socket: /run/kleidi/kms.sock }
keystore: { directory: keys }
state: { directory: state }
providers:
  local:
    module: local.wasm
    sha256: ${sha256}
    grants:
      ${grants}
  other: { module: other.wasm, sha256: ${sha256}, grants: {} }
keys:
  - { name: kek, provider: local, use: active }
  - { name: old, provider: local, use: decrypt }
  - { name: foreign, provider: other, use: decrypt }
`;
const CONFIG = parseConfig(text("keystore: { keys: [kek, old] }"), "/etc/k.yaml");

const LINES: readonly (readonly [capability: string, operations: readonly string[], line: string])[] = [
  ["keystore", ["seal", "open"], "keystore: { keys: [kek, old] }"],
  ["keystore", ["info", "s2k"], "keystore: { passphrases: [kek, old] }"],
  ["state", ["get"], "state: { names: [kek, old] }"],
];
for (const [capability, operations, line] of LINES) {
  test(`grantLine grants ${capability} for ${operations} with the names of the provider's keys`, () =>
    assert.equal(grantLine(CONFIG, "local", capability, operations), line));
}

test("the configuration accepts each line", () => {
  for (const [capability, operations] of [
    ["keystore", ["seal"]],
    ["state", ["get"]],
    ["tpm", []],
    ["net", []],
  ] as const) {
    const line = grantLine(CONFIG, "local", capability, operations);
    assert.match(line, new RegExp(`^${capability}: \\{ .+ \\}$`));
    const { grants } = parseConfig(text(line), "/etc/k.yaml").providers[0] ?? assert.fail();
    assert.ok(Object.hasOwn(grants, capability), line);
  }
});

test("the line of an unknown capability has an empty grant", () => {
  assert.equal(grantLine(CONFIG, "local", "http", ["get"]), "http: {}");
});
