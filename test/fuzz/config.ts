/** Configuration texts with a few changed tokens; host/config/parse.property.test.ts generates texts from scratch. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { ConfigError } from "../../host/config/config-error.ts";
import { parseConfig } from "../../host/config/parse.ts";
import { root } from "../support/fixture.ts";
import type { Target } from "./target.ts";

/** The faults of a file, each with a path of at most 16 steps of 60 characters and three clauses. */
const MAX_FAULT = 2048;
/** Part of no word of the schema or of the examples. */
const SECRET = "Zq".repeat(100);

const VALID = `apiVersion: kleidi.dev/v1
listen: { socket: /run/kleidi/kms.sock, mode: "0660", group: 1000 }
keystore:
  directory: keys
providers:
  local:
    module: providers/local.wasm
    sha256: ${"0123456789abcdef".repeat(4)}
    grants:
      keystore: { keys: [one] }
    limits: { memory: 16MiB, deadline: 2s, hostCalls: 64 }
keys:
  - { name: one, provider: local, use: active }
  - name: two
    provider: local
    use: decrypt
    version: "1"
status: { interval: 10s }
log: { level: info, file: kleidi.log }
`;

/** The complete configuration of docs/configuration.md, if its first block is one. */
const documented = /```yaml\n([\s\S]*?)```/.exec(
  readFileSync(join(root, "docs/configuration.md"), "utf8"),
)?.[1];
const sources = [VALID, ...(documented === undefined ? [] : [documented])];

const token = fc.oneof(
  fc.constantFrom(..."{}[],:-?&*!|>'\"%@#\n\t~".split("")),
  fc.constantFrom(
    "  ",
    "\n  ",
    ": ",
    "- ",
    "---\n",
    "...\n",
    "!!str ",
    "&a ",
    "*a",
    "<<: ",
    "%YAML 1.1\n",
    "\r\n",
    "\u0085",
  ),
  fc.constantFrom(
    "null",
    "true",
    "0x10",
    "1e400",
    ".nan",
    "0660",
    "-1",
    "''",
    "\u001b[2J",
    "\u202e",
    "\ud800",
    "\0",
  ),
  fc.constantFrom("providers", "keys", "local", "one", "__proto__", "constructor", "16MiB", "99h", "active"),
  fc.constant(SECRET),
  fc.string({ unit: "binary", maxLength: 20 }),
);

type Edit =
  | { kind: "put" | "instead"; at: number; token: string }
  | { kind: "drop" | "double" | "swap"; at: number };
const at = fc.nat({ max: 500 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constantFrom("put" as const, "instead" as const), at, token }),
  fc.record({ kind: fc.constantFrom("drop" as const, "double" as const, "swap" as const), at }),
);
const text = fc
  .tuple(fc.constantFrom(...sources), fc.array(edit, { maxLength: 5 }))
  .map(([source, edits]) => {
    const tokens = source.match(/[A-Za-z0-9_./]+|\s*\n\s*|./g) ?? [];
    for (const edit of edits) {
      const at = edit.at % (tokens.length + 1);
      if (edit.kind === "put") tokens.splice(at, 0, edit.token);
      else if (edit.kind === "instead") tokens.splice(at, 1, edit.token);
      else if (edit.kind === "drop") tokens.splice(at, 1);
      else if (edit.kind === "double") tokens.splice(at, 0, ...tokens.slice(at, at + 1));
      else tokens.splice(at, 2, ...tokens.slice(at, at + 2).reverse());
    }
    return tokens.join("");
  });

function assertFaults(error: ConfigError, text: string): void {
  const lines = text.split(/\r\n|\r|\n/).length;
  assert.ok(error.faults.length > 0);
  for (const { line, column, path, expected, actual, remedy } of error.faults) {
    assert.ok(line >= 1 && line <= lines && column >= 1, `${line}:${column} of ${lines} lines`);
    const said = [path, expected, actual, remedy].join(" ");
    assert.ok(said.length <= MAX_FAULT, `a fault of ${said.length} characters`);
    assert.doesNotMatch(said, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    // 60 characters are printed; a longer value may be a secret in the wrong place.
    for (const part of [path, expected, actual, remedy]) assert.ok(!part.includes(SECRET.slice(0, 61)), part);
  }
}

export const config: Target = {
  name: "config",
  open: async (seen) => ({
    properties: [
      {
        name: "a changed text is accepted, or refused with printable faults that have their place in it",
        cases: 600,
        reaches: ["accepted", "refused"],
        property: fc.property(text, (text) => {
          try {
            assert.ok(Object.isFrozen(parseConfig(text, "/etc/kleidi/kleidi.yaml")));
            seen("accepted");
          } catch (error) {
            if (!(error instanceof ConfigError)) throw error;
            assertFaults(error, text);
            seen("refused");
          }
        }),
      },
    ],
  }),
};
