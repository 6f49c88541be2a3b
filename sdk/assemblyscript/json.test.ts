/** Compares the guest's JSON and base64 with JavaScript's, on generated, damaged and hostile documents. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import fc from "fast-check";
import { compile } from "./build.ts";
import { StandIn } from "./stand-in.ts";

let module: WebAssembly.Module;

before(async () => {
  module = new WebAssembly.Module(await compile(join(import.meta.dirname, "test/assembly/json.ts")));
});

/** Calls an export and returns its output; undefined if it refused. A trap throws. */
function call(name: string, input: string | Uint8Array): Uint8Array | undefined {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const { returned, output } = new StandIn(module).call(name, bytes);
  return returned === 1 ? undefined : (output ?? assert.fail("no output"));
}

function text(name: string, input: string | Uint8Array): string | undefined {
  const output = call(name, input);
  return output && new TextDecoder().decode(output).slice(1);
}

/** Converts a value to the form that the test module writes: {} becomes []. */
function flat(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(flat);
  const entries = Object.entries(value).map(([name, member]) => [name, flat(member)]);
  return entries.length === 0 ? [] : Object.fromEntries(entries);
}

/** Reads a document with JavaScript, if both readers accept it. */
function parsed(input: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(input));
  } catch {
    return undefined;
  }
}

test("any document is read as JavaScript reads it", () => {
  const space = fc.constantFrom("", "  ", "\t", "\n");
  fc.assert(
    fc.property(fc.json({ stringUnit: "binary", maxDepth: 6 }), space, (document, indent) => {
      const value = JSON.parse(document);
      // __proto__ as a name is special in JavaScript, and lone surrogates are not valid UTF-8.
      fc.pre(document.isWellFormed() && !document.includes("__proto__"));
      const again = text("rewrite", ` ${JSON.stringify(value, undefined, indent)}\n`);
      assert.deepEqual(JSON.parse(again ?? assert.fail(document)), flat(value));
    }),
    { numRuns: 1000 },
  );
});

test("damaged documents are accepted only if JavaScript accepts them, and read the same", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 });
  const documents = fc.oneof(
    fc.json({ maxDepth: 3 }),
    fc.constant('{"a":[-1.5e+3,0,true,false,null],"\\u00e9\\ud834\\udd30":"é𝄰\\n\\/"}'),
  );
  fc.assert(
    fc.property(documents, damage, (document, changes) => {
      const bytes = new TextEncoder().encode(document);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      const again = text("rewrite", bytes);
      const value = parsed(bytes);
      if (again === undefined) {
        // The only input that JavaScript accepts and the guest refuses.
        if (value !== undefined) assert.equal(JSON.stringify(value).includes("\\ud"), true, document);
      } else {
        assert.notEqual(value, undefined, document);
        if (!again.includes("__proto__")) assert.deepEqual(JSON.parse(again), flat(value));
      }
    }),
    { numRuns: 5000 },
  );
});

test("the readers do not trap on any bytes", () => {
  const tokens = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\u",
    "\\",
    '"a"',
    "1",
    "-",
    "e",
    "null",
    " ",
  );
  const nearly = fc.array(tokens, { maxLength: 20 }).map((all) => new TextEncoder().encode(all.join("")));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), nearly), (bytes) => {
      for (const name of ["rewrite", "memberA", "readers"]) {
        assert.equal(call(name, bytes) === undefined, parsed(bytes) === undefined);
      }
    }),
    { numRuns: 3000 },
  );
});

test("a truncated document is refused", () => {
  const whole = '{"a":[1.5e3,"é\\u00e9\\ud834\\udd30",true,null]}';
  assert.ok(text("rewrite", whole));
  const bytes = new TextEncoder().encode(whole);
  for (let end = 0; end < bytes.length; end++) {
    assert.equal(call("rewrite", bytes.subarray(0, end)), undefined, `${end} bytes`);
  }
});

const REFUSED: readonly (readonly [string, string | Uint8Array])[] = [
  ["nothing", ""],
  ["white space alone", " \n"],
  ["two documents", "1 2"],
  ["a byte order mark", "\ufeff{}"],
  ["a NUL behind the document", "{}\0"],
  ["a comma at the end of an array", "[1,]"],
  ["a comma at the end of an object", '{"a":1,}'],
  ["a name without quotes", "{a:1}"],
  ["a number as a name", "{1:1}"],
  ["single quotes", "'a'"],
  ["a comment", "/**/1"],
  ["a leading zero", "01"],
  ["a plus", "+1"],
  ["a number that ends in a point", "1."],
  ["a number that begins with a point", ".5"],
  ["an exponent without digits", "1e"],
  ["NaN", "NaN"],
  ["a word with capitals", "True"],
  ["a word cut off", "nul"],
  ["a raw line break in a string", '"\n"'],
  ["a raw NUL in a string", '"\0"'],
  ["an unknown escape", '"\\x41"'],
  ["\\u with three digits", '"\\u123"'],
  ["a high surrogate alone", '"\\ud834"'],
  ["a low surrogate alone", '"\\udd30"'],
  ["two high surrogates", '"\\ud834\\ud834"'],
  ["a high surrogate before a letter", '"\\ud834a"'],
  ["a surrogate in UTF-8", Uint8Array.of(0x22, 0xed, 0xa0, 0xb4, 0x22)],
  ["an overlong slash", Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)],
  ["a character past U+10FFFF", Uint8Array.of(0x22, 0xf4, 0x90, 0x80, 0x80, 0x22)],
  ["a character cut off", Uint8Array.of(0x22, 0xe2, 0x82, 0x22)],
  ["33 nested arrays", "[".repeat(33) + "]".repeat(33)],
  ["48 KiB of open brackets", "[".repeat(49_152)],
  ["48 KiB of open objects", '{"a":'.repeat(9_830)],
];

for (const [name, document] of REFUSED) {
  test(`refuses ${name}`, () => assert.equal(call("rewrite", document), undefined));
}

test("32 nested arrays and numbers of any size are read unchanged", () => {
  const deep = "[".repeat(32) + "]".repeat(32);
  assert.equal(text("rewrite", deep), deep);
  for (const number of ["1e999", "-0", "9".repeat(1000), "0.1E-7"])
    assert.equal(text("rewrite", number), number);
});

test("a string, a number and escapes of 48 KiB are read", () => {
  for (const document of [
    JSON.stringify("x".repeat(49_000)),
    "7".repeat(49_152),
    `"${"\\u20ac".repeat(8_000)}"`,
  ]) {
    const again = text("rewrite", document) ?? assert.fail("refused");
    assert.deepEqual(JSON.parse(again), JSON.parse(document));
  }
});

test("a member is found behind 48 KiB of others, and not inside them", () => {
  const others = Array.from({ length: 4_000 }, (_, i) => [`k${i}`, { a: i }]);
  const object = Object.fromEntries(others);
  assert.equal(text("memberA", JSON.stringify({ ...object, a: 5 })), "5");
  assert.equal(text("memberA", JSON.stringify(object)), "absent");
});

test("a hundred look-ups in 48 KiB of members fit in memory", () => {
  for (const member of ['"a":1', '"\\u0061":1', '"missing\\u0061":1', '"é":[{"missing":1}]', '"":""']) {
    const size = new TextEncoder().encode(member).length + 1;
    const document = `{${Array(Math.floor(49_000 / size))
      .fill(member)
      .join(",")}}`;
    assert.equal(text("lookups", document), "0");
  }
});

test("48 KiB of text with escapes are written", () => {
  for (const letter of ['"', "\u0001", "\\"]) {
    const value = letter.repeat(49_000);
    assert.deepEqual(JSON.parse(text("rewrite", JSON.stringify(value)) ?? ""), value);
  }
});

const MEMBERS: readonly (readonly [string, string])[] = [
  ['{"a":1}', "1"],
  ['{"b":{"a":2},"a":3}', "3"],
  ['{"\\u0061":4}', "4"],
  ['{ "a" : "b\\"c" , "b":1}', 'text b"c'],
  ['{"b":"a","aa":1,"A":2}', "absent"],
  ['{"a":1,"a":2}', "absent"],
  ['{"a":1,"\\u0061":1}', "absent"],
  ['{"a\\u0000":1}', "absent"],
  ['["a",1]', "absent"],
  ["{}", "absent"],
  ["7", "absent"],
];

for (const [document, expected] of MEMBERS) {
  test(`the member "a" of ${document} is ${expected}`, () =>
    assert.equal(text("memberA", document), expected));
}

const INTEGERS: readonly (readonly [string, string])[] = [
  ["0", "0"],
  ["1795596031", "1795596031"],
  ["9007199254740991", "9007199254740991"],
  ["9007199254740992", "-1"],
  ["99999999999999999999999", "-1"],
  ["-1", "-1"],
  ["1.0", "-1"],
  ["1e3", "-1"],
  ['"1"', "-1"],
  ["null", "-1"],
];

for (const [document, expected] of INTEGERS) {
  test(`${document} as an integer is ${expected}`, () => {
    assert.equal(JSON.parse(text("readers", document) ?? "").integer, expected);
  });
}

test("a value is of one type only", () => {
  const types = (document: string) =>
    Object.entries(JSON.parse(text("readers", document) ?? ""))
      .filter(([, is]) => is === true)
      .map(([name]) => name);
  assert.deepEqual(types("null"), ["null"]);
  assert.deepEqual(types("true"), ["true"]);
  assert.deepEqual(types("false"), ["false"]);
  assert.deepEqual(types('"a"'), ["text"]);
  assert.deepEqual(types("1"), ["number"]);
  assert.deepEqual(types('{"a":1}'), ["member", "members"]);
  assert.deepEqual(types("[1]"), ["elements"]);
  assert.deepEqual(types("[]"), []);
});

test("any text is written so that JavaScript reads it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (value) => {
      const output = call("object", value) ?? assert.fail("no output");
      const entries = Object.entries(JSON.parse(new TextDecoder().decode(output)));
      fc.pre(!["n", "b", "__proto__"].includes(value));
      assert.deepEqual(Object.fromEntries(entries), { [value]: value, n: 4_294_967_295, b: false });
    }),
  );
});

test("base64 is written and read as in Node", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const encoded = text("encode64", bytes);
      assert.equal(encoded, Buffer.from(bytes).toString("base64"));
      assert.deepEqual(call("decode64", encoded ?? "")?.slice(1), bytes);
    }),
  );
});

test("base64 is accepted only in the spelling of the encoder", () => {
  const alphabet = fc.constantFrom(..."AQgw/+=-_ \n");
  fc.assert(
    fc.property(fc.array(alphabet, { maxLength: 9 }), (letters) => {
      const encoded = letters.join("");
      const bytes = Buffer.from(encoded, "base64");
      const expected = bytes.toString("base64") === encoded ? new Uint8Array(bytes) : undefined;
      assert.deepEqual(call("decode64", encoded)?.slice(1), expected);
    }),
    { numRuns: 3000 },
  );
});
