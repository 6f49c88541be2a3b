/** Arbitrary manifests of modules: host/module/manifest.ts. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KleidiError } from "../../host/error.ts";
import { type Manifest, parseManifest } from "../../host/module/manifest.ts";
import { mutated } from "./bytes.ts";
import type { Target } from "./target.ts";

const MAX_SENTENCE = 2048;

const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,31}$/);
const row = fc.record({
  capability: word,
  operations: fc.array(word, { minLength: 1, maxLength: 4 }),
  rpcs: fc.array(fc.constantFrom("status", "encrypt", "decrypt"), { minLength: 1, maxLength: 3 }),
  why: fc.string({ minLength: 1, maxLength: 200, unit: "grapheme-ascii" }),
});
const valid = fc.record({
  abi: fc.constant(1),
  name: fc.stringMatching(/^[a-z][a-z0-9-]{0,62}$/),
  version: fc.stringMatching(/^[\x21-\x7e]{1,64}$/),
  capabilities: fc.array(row, { maxLength: 4 }),
});

/** Values that a hostile author would write. */
const hostile = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(
    "",
    "\n",
    "\u001b[2J",
    "\u202e",
    "\u0085",
    "\u2028",
    "\ud800",
    "x".repeat(5000),
    1.5,
    -1,
    2 ** 53,
  ),
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.integer({ min: 2, max: 3000 }).map((depth) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`)),
);
const key = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "abi",
    "name",
    "rpcs",
    "\n",
    "\u001b[31m",
    "\u202e",
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
);

/** A valid manifest with one key replaced, added or repeated. */
const almost = fc
  .tuple(
    valid,
    fc.array(fc.tuple(fc.nat({ max: 20 }), key, hostile, fc.boolean()), { minLength: 1, maxLength: 3 }),
  )
  .map(([manifest, changes]) => {
    let text = JSON.stringify(manifest);
    for (const [place, name, value, twice] of changes) {
      const entry = `${JSON.stringify(name)}:${JSON.stringify(value)}`;
      // After the nth brace, so that rows are changed too.
      const braces = [...text.matchAll(/\{(?=")/g)];
      const at = (braces[place % braces.length]?.index ?? 0) + 1;
      text = `${text.slice(0, at)}${entry},${twice ? `${entry},` : ""}${text.slice(at)}`;
    }
    return text;
  });
/** A valid manifest with one value replaced. */
const replaced = fc.tuple(valid, row, fc.nat({ max: 7 }), hostile).map(([manifest, extra, place, value]) => {
  const rows = [...manifest.capabilities, extra];
  const parts = ["abi", "name", "version", "capabilities", "capability", "operations", "rpcs", "why"];
  const part = parts[place] ?? "";
  if (place < 4) return JSON.stringify({ ...manifest, [part]: value });
  return JSON.stringify({ ...manifest, capabilities: [...rows.slice(1), { ...extra, [part]: value }] });
});
const bytesOf = (text: fc.Arbitrary<string>) =>
  text.map((text) => new TextEncoder().encode(text) as Uint8Array);
const any = fc.oneof(
  bytesOf(valid.map((manifest) => JSON.stringify(manifest))),
  bytesOf(almost),
  bytesOf(replaced),
  mutated(bytesOf(valid.map((manifest) => JSON.stringify(manifest)))),
  bytesOf(fc.json({ maxDepth: 6 })),
  fc.uint8Array({ maxLength: 100 }),
);

/** A second implementation of docs/ABI.md, section 6. */
function assertManifest(manifest: Manifest): void {
  assert.deepEqual(Object.keys(manifest).sort(), ["abi", "capabilities", "name", "version"]);
  assert.equal(Object.getPrototypeOf(manifest), Object.prototype);
  assert.equal(manifest.abi, 1);
  assert.match(manifest.name, /^[a-z][a-z0-9-]{0,62}$/);
  assert.match(manifest.version, /^[!-~]{1,64}$/);
  assert.ok(manifest.capabilities.length <= 64);
  for (const row of manifest.capabilities) {
    assert.deepEqual(Object.keys(row).sort(), ["capability", "operations", "rpcs", "why"]);
    for (const name of [row.capability, ...row.operations]) assert.match(name, /^[a-z][a-z0-9_]{0,31}$/);
    assert.ok(row.operations.length >= 1 && row.rpcs.length >= 1);
    for (const rpc of row.rpcs) assert.ok(["status", "encrypt", "decrypt"].includes(rpc));
    assert.ok(row.why.length >= 1 && row.why.length <= 200);
  }
}

/** Asserts that a message can be printed: it is bounded, one line, and has no terminal control characters. */
export function assertSentence(message: string): void {
  assert.ok(Buffer.byteLength(message) <= MAX_SENTENCE, `the message is ${Buffer.byteLength(message)} bytes`);
  assert.doesNotMatch(message, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
}

export const manifest: Target = {
  name: "manifest",
  open: async (seen) => ({
    properties: [
      {
        name: "a manifest follows docs/ABI.md, or is refused with a printable message",
        cases: 2500,
        reaches: ["accepted", "not valid JSON", "does not follow docs/ABI.md"],
        property: fc.property(any, (bytes) => {
          try {
            assertManifest(parseManifest("p", bytes));
            seen("accepted");
          } catch (error) {
            if (!(error instanceof KleidiError)) throw error;
            assert.equal(error.code, "module-invalid");
            assertSentence(error.message);
            seen(
              /not valid JSON|does not follow docs\/ABI.md/.exec(error.message)?.[0] ?? "refused otherwise",
            );
          }
        }),
      },
    ],
  }),
};
