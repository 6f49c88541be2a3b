import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { assertSentences, thrown } from "../../test/support/thrown.ts";
import { KleidiError } from "../error.ts";
import { parseManifest, readManifest } from "./manifest.ts";

const ROW = {
  capability: "keystore",
  operations: ["seal"],
  rpcs: ["encrypt"],
  why: "the KEK stays in the host",
};
const MANIFEST = { abi: 1, name: "local", version: "0.1.0", capabilities: [ROW] };
const PREFIX = 'Cannot load provider "p": its manifest does not follow docs/ABI.md: ';

/** The message with which parseManifest refuses a manifest. */
function refusal(manifest: Uint8Array): string {
  const error = thrown(() => parseManifest("p", manifest));
  assert.ok(error instanceof KleidiError, String(error));
  assert.equal(error.code, "module-invalid");
  return error.message;
}

function bytes(json: unknown): Uint8Array {
  return Buffer.from(typeof json === "string" ? json : JSON.stringify(json));
}

const row = (change: object) => ({ ...MANIFEST, capabilities: [{ ...ROW, ...change }] });

const GOOD: [string, object][] = [
  ["the manifest of docs/ABI.md", MANIFEST],
  ["no capabilities", { ...MANIFEST, capabilities: [] }],
  ["a name of one letter", { ...MANIFEST, name: "a" }],
  ["a name of 63 characters", { ...MANIFEST, name: `a${"-0".repeat(31)}` }],
  ["a version of 64 characters", { ...MANIFEST, version: "~".repeat(64) }],
  ["64 rows", { ...MANIFEST, capabilities: Array(64).fill(ROW) }],
  ["32 operations", { ...MANIFEST, capabilities: [{ ...ROW, operations: Array(32).fill("seal") }] }],
  ["a why of 200 characters", { ...MANIFEST, capabilities: [{ ...ROW, why: "x".repeat(200) }] }],
  [
    "needs",
    {
      ...MANIFEST,
      needs: [
        {
          capability: "tpm",
          features: ["TPM2_HMAC or TPM2_Unseal", "ECC P-256"],
          optional: true,
          why: "every key",
        },
      ],
    },
  ],
  ["all RPCs", { ...MANIFEST, capabilities: [{ ...ROW, rpcs: ["status", "encrypt", "decrypt"] }] }],
];
for (const [what, manifest] of GOOD) {
  test(`parseManifest accepts ${what}`, () =>
    assert.deepEqual(parseManifest("p", bytes(manifest)), manifest));
}

test("parseManifest accepts an indented manifest", () => {
  assert.deepEqual(parseManifest("p", bytes(JSON.stringify(MANIFEST, null, 2))), MANIFEST);
});

const FORGED: [string, string][] = [
  ["a duplicate key", JSON.stringify(MANIFEST).replace('"abi":1', '"abi":1,"name":"other"')],
  [
    "a duplicate key, once escaped",
    JSON.stringify(MANIFEST).replace('"abi":1', '"abi":1,"n\\u0061me":"other"'),
  ],
  ["an escaped letter", JSON.stringify(MANIFEST).replace('"local"', '"loc\\u0061l"')],
  ["the key __proto__", JSON.stringify(MANIFEST).replace('"abi":1', '"abi":1,"__proto__":{"abi":2}')],
];
for (const [what, text] of FORGED) {
  test(`parseManifest refuses ${what}`, (t) => {
    assertSentences(t, { message: refusal(bytes(text)) });
  });
}

for (const [what, why] of [
  ["a line end", "good\nok   provider evil"],
  ["an escape sequence", "\u001b[2Jgood"],
  ["a change of direction", "good \u202edoog"],
]) {
  test(`parseManifest refuses a why with ${what}`, (t) => {
    const message = refusal(bytes(row({ why })));
    assert.ok(message.startsWith(`${PREFIX}capabilities.0.why: `), message);
    assertSentences(t, { message });
  });
}

const UNREADABLE: [string, string][] = [
  ["of spaces only", "   "],
  ["of dots only", "..."],
  ["of no-break spaces and a letter", "\u00a0a\u00a0"],
  ["of Braille blanks", "\u2800\u2800"],
  ["with a Braille blank", "reads\u2800keys"],
  ["of combining marks only", "\u0301\u0301"],
  ["with three marks on a letter", "a\u0301\u0301\u0301"],
  ["with marks stacked over other lines", `keys${"\u0353".repeat(60)}`],
];
for (const [what, why] of UNREADABLE) {
  test(`parseManifest refuses a reason ${what}`, (t) => {
    const message = refusal(bytes(row({ why })));
    assert.ok(message.startsWith(`${PREFIX}capabilities.0.why: `), message);
    assertSentences(t, { message });
  });
}
for (const why of ["\u115f", "\u3164a", "a\u034fb", "a\u20dd"]) {
  test(`parseManifest refuses a reason with U+${[...why].map((each) => (each.codePointAt(0) ?? 0).toString(16)).join(" U+")}, which is invisible or encloses its neighbours`, (t) => {
    const message = refusal(bytes(row({ why })));
    assert.ok(message.startsWith(`${PREFIX}capabilities.0.why: `), message);
    assertSentences(t, { message });
  });
}
for (const why of [
  "der Schlüssel bleibt im Host",
  "ключ остаётся",
  "كِتَابٌ",
  "鍵",
  "Việt ngữ",
  "e\u0302\u0301",
]) {
  test(`parseManifest accepts the reason ${why}`, () => {
    const manifest = { ...MANIFEST, capabilities: [{ ...ROW, why }] };
    assert.deepEqual(parseManifest("p", bytes(manifest)), manifest);
  });
}

test("parseManifest accepts 16,384 bytes", () => {
  const text = JSON.stringify(MANIFEST).padEnd(16_384);
  assert.deepEqual(parseManifest("p", bytes(text)), MANIFEST);
});

test("parseManifest refuses 16,385 bytes", (t) => {
  const message = refusal(bytes(JSON.stringify(MANIFEST).padEnd(16_385)));
  assert.match(message, /\b16385\b.*\b16384\b/);
  assertSentences(t, { message });
});

const NO_JSON: [string, Uint8Array][] = [
  ["no bytes", new Uint8Array()],
  ["a truncated manifest", bytes(JSON.stringify(MANIFEST).slice(0, 40))],
  ["bytes that are not valid UTF-8", Buffer.concat([bytes(MANIFEST), Uint8Array.of(0xff)])],
  ["two manifests", bytes(JSON.stringify(MANIFEST).repeat(2))],
  ["a byte order mark and a manifest", bytes(`\ufeff${JSON.stringify(MANIFEST)}`)],
];
for (const [what, content] of NO_JSON) {
  test(`parseManifest refuses ${what}`, (t) => {
    assertSentences(t, { message: refusal(content) });
  });
}

test("parseManifest refuses another ABI with the sentence of docs/ABI.md first", () => {
  const later = { ...MANIFEST, abi: 2, limits: {}, capabilities: [{ ...ROW, scope: "kek" }] };
  const page = readFileSync(new URL("../../docs/ABI.md", import.meta.url), "utf8");
  const [, sentence = ""] = /^\| another `abi` \|.*`(abi: .*)` \|$/m.exec(page) ?? [];
  const result = readManifest(bytes(later));
  assert.ok("fault" in result);
  assert.ok(result.fault.startsWith(`its manifest does not follow docs/ABI.md: ${sentence}; `), result.fault);
  assert.match(sentence, /^abi: should be 1\b/);
});

const { abi: _abi, ...withoutAbi } = MANIFEST;
const { why: _why, ...rowWithoutWhy } = ROW;
const NAME = "name: should be 1 to 63 of a-z, 0-9 and -, a letter first";
const VERSION = "version: should be 1 to 64 printable characters";
const WORD = "should be lower-case letters, digits and _";
/** The fault after the common prefix: our own text, or a pattern for the text of zod. */
const FAULTS: [string, unknown, string | RegExp][] = [
  ["null", null, /: it: [^;]+$/],
  ["a list", [], /: it: [^;]+$/],
  ["a text", '"local"', /: it: [^;]+$/],
  ["no abi", withoutAbi, /: abi: [^;]+$/],
  ["abi 2", { ...MANIFEST, abi: 2 }, /: abi: [^;]+$/],
  ['abi "1"', { ...MANIFEST, abi: "1" }, /: abi: [^;]+$/],
  ["an empty name", { ...MANIFEST, name: "" }, NAME],
  ["a name with a capital", { ...MANIFEST, name: "Local" }, NAME],
  ["a name that begins with a digit", { ...MANIFEST, name: "1local" }, NAME],
  ["a name that ends in a line feed", { ...MANIFEST, name: "local\n" }, NAME],
  ["a name of 64 characters", { ...MANIFEST, name: "a".repeat(64) }, NAME],
  ["an empty version", { ...MANIFEST, version: "" }, VERSION],
  ["a version with a space", { ...MANIFEST, version: "1 0" }, VERSION],
  ["a version of 65 characters", { ...MANIFEST, version: "1".repeat(65) }, VERSION],
  ["a version with an escape character", { ...MANIFEST, version: "1\u001b[31m" }, VERSION],
  ["an unknown key", { ...MANIFEST, grants: {} }, /: it: [^;]*"grants"[^;]*$/],
  [
    "the key __proto__",
    JSON.stringify(MANIFEST).replace("{", '{"__proto__":{},'),
    /: it: [^;]*"__proto__"[^;]*$/,
  ],
  ["65 rows", { ...MANIFEST, capabilities: Array(65).fill(ROW) }, /: capabilities: [^;]+$/],
  ["an unknown key in a row", row({ keys: [] }), /: capabilities\.0: [^;]*"keys"[^;]*$/],
  ["an empty capability", row({ capability: "" }), `capabilities.0.capability: ${WORD}`],
  ["the capability __proto__", row({ capability: "__proto__" }), `capabilities.0.capability: ${WORD}`],
  [
    "a capability with its namespace",
    row({ capability: "kleidi:log" }),
    `capabilities.0.capability: ${WORD}`,
  ],
  ["a capability of 33 letters", row({ capability: "a".repeat(33) }), `capabilities.0.capability: ${WORD}`],
  ["no operations", row({ operations: [] }), /: capabilities\.0\.operations: [^;]+$/],
  ["33 operations", row({ operations: Array(33).fill("a") }), /: capabilities\.0\.operations: [^;]+$/],
  ["an operation with a star", row({ operations: ["*"] }), `capabilities.0.operations.0: ${WORD}`],
  ["no RPCs", row({ rpcs: [] }), /: capabilities\.0\.rpcs: [^;]+$/],
  ["an unknown RPC", row({ rpcs: ["encrypt", "rotate"] }), /: capabilities\.0\.rpcs\.1: [^;]+$/],
  ["no why", { ...MANIFEST, capabilities: [rowWithoutWhy] }, /: capabilities\.0\.why: [^;]+$/],
  ["an empty why", row({ why: "" }), /: capabilities\.0\.why: [^;]+$/],
  ["a why of 201 characters", row({ why: "x".repeat(201) }), /: capabilities\.0\.why: [^;]+$/],
];
for (const [what, manifest, fault] of FAULTS) {
  test(`parseManifest refuses a manifest with ${what}`, () => {
    const message = refusal(bytes(manifest));
    if (typeof fault === "string") assert.equal(message, `${PREFIX}${fault}`);
    else assert.match(message, fault);
  });
}

test("parseManifest names every fault", () => {
  const manifest = { ...MANIFEST, name: "", version: "" };
  assert.throws(() => parseManifest("p", bytes(manifest)), { message: `${PREFIX}${NAME}; ${VERSION}` });
});

test("parseManifest limits the length of its message", () => {
  const manifest = { ...MANIFEST, ["x".repeat(10_000)]: 1 };
  assert.throws(
    () => parseManifest("p", bytes(manifest)),
    ({ message }: Error) => message.length <= PREFIX.length + 1000,
  );
});

test("parseManifest throws only KleidiErrors for arbitrary JSON", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.throws(() => parseManifest("p", bytes(text)), KleidiError);
    }),
  );
});

test("parseManifest quotes no control characters of a manifest", () => {
  const manifest = { ...MANIFEST, "a\nb\u001b[2J\u202e\u2028\ud83d\ude00": 1 };
  assert.throws(() => parseManifest("p", bytes(manifest)), {
    name: "KleidiError",
    message: `${PREFIX}it: Unrecognized key: "a?b?[2J????"`,
  });
});
