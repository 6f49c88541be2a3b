import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { messagesOf } from "../../test/support/failures.ts";
import { type Annotation, annotationsFault, FORMAT_NAME, withFormat, withoutFormat } from "./annotations.ts";

const ONE = Uint8Array.of(0x31);
const NOT_A_DOMAIN = "an annotation's name is not a domain name of at least two labels";
const IN_HOST_DOMAIN = "an annotation's name is at or under kleidi.dev, which is reserved for the host";

function named(name: string, value: Uint8Array = ONE): Annotation {
  return { name, value };
}

/** Exactly 253 characters: three labels of 63 and one of 61. */
const LONGEST = `${`${"a".repeat(63)}.`.repeat(3)}${"b".repeat(61)}`;

const GOOD_NAMES = [
  "a.b",
  "0.1",
  "version.vault.example.com",
  "a-b.c--d",
  "xn--ls8h.example",
  `${"a".repeat(63)}.example`,
  LONGEST,
  "notkleidi.dev",
  "kleidi.dev.example",
];
for (const name of GOOD_NAMES) {
  test(`annotationsFault accepts the name ${name.slice(0, 40)} (${name.length} characters)`, () => {
    assert.equal(annotationsFault([named(name)]), undefined);
  });
}

const BAD_NAMES = [
  "",
  "one",
  "__proto__",
  "constructor",
  "toString",
  "__proto__.example",
  "example.com/key",
  "Example.com",
  "example.Com",
  "exämple.com",
  ".example.com",
  "example.com.",
  "a..b",
  "-a.b",
  "a-.b",
  "a.-b",
  "a_b.c",
  "a b.c",
  "*.example.com",
  "a.b\n",
  "\na.b",
  "a\0.b",
  `${"a".repeat(64)}.example`,
  `${LONGEST}c`,
];
for (const name of BAD_NAMES) {
  test(`annotationsFault refuses the name ${JSON.stringify(name.slice(0, 40))} (${name.length} characters)`, () => {
    assert.equal(annotationsFault([named(name)]), NOT_A_DOMAIN);
  });
}

for (const name of ["kleidi.dev", "format.kleidi.dev", "a.b.kleidi.dev"]) {
  test(`annotationsFault refuses ${name}, which is reserved for the host`, () => {
    assert.equal(annotationsFault([named(name)]), IN_HOST_DOMAIN);
  });
}

test("annotationsFault refuses a duplicate name", () => {
  assert.equal(annotationsFault([named("a.b"), named("c.d"), named("a.b")]), "an annotation is listed twice");
});

test("annotationsFault accepts no annotations", () => assert.equal(annotationsFault([]), undefined));

test("annotationsFault accepts an empty value", () => {
  assert.equal(annotationsFault([named("a.b", new Uint8Array())]), undefined);
});

test("annotationsFault accepts names and values of 31,999 bytes together", () => {
  const value = new Uint8Array(31_999 - 6 - 100);
  assert.equal(annotationsFault([named("a.b", value), named("c.d", new Uint8Array(100))]), undefined);
});

test("annotationsFault refuses names and values of 32,000 bytes together", () => {
  const value = new Uint8Array(32_000 - 6 - 100);
  assert.equal(
    annotationsFault([named("a.b", value), named("c.d", new Uint8Array(100))]),
    "its annotations are 32000 bytes, at most 31999 are allowed",
  );
});

test("annotationsFault counts the names", () => {
  const names = Array.from({ length: 127 }, (_, i) =>
    named(`${i}.${LONGEST}`.slice(0, 253), new Uint8Array()),
  );
  assert.equal(annotationsFault(names), `its annotations are ${127 * 253} bytes, at most 31999 are allowed`);
});

test("withFormat adds the annotation format.kleidi.dev with the value 1", () => {
  assert.deepEqual(withFormat([named("a.b", Uint8Array.of(7))]), {
    "format.kleidi.dev": ONE,
    "a.b": Uint8Array.of(7),
  });
});

test("the largest guest annotations stay below the API server's 32768 bytes with the host's own", () => {
  const all = withFormat([named("a.b", new Uint8Array(31_999 - 3))]);
  const size = Object.entries(all).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  assert.ok(size < 32_768, `${size} bytes`);
});

const BAD_FORMATS: [string, Record<string, Uint8Array>][] = [
  ["a missing format annotation", {}],
  ["a format annotation that is only inherited", Object.create({ [FORMAT_NAME]: ONE })],
  ["format 2", { [FORMAT_NAME]: Uint8Array.of(0x32) }],
  ["an empty format", { [FORMAT_NAME]: new Uint8Array() }],
  ["a format of two bytes", { [FORMAT_NAME]: Uint8Array.of(0x31, 0x31) }],
];
for (const [what, annotations] of BAD_FORMATS) {
  test(`withoutFormat refuses ${what}`, () => {
    assert.throws(() => withoutFormat(annotations), { code: "annotations-invalid" });
  });
}

test("withoutFormat names the fault of the format annotation", async (t) => {
  const cases = BAD_FORMATS.map(([what, annotations]) => [what, () => withoutFormat(annotations)] as const);
  t.assert.snapshot(await messagesOf(cases));
});

const BAD_RESTS: [string, Record<string, Uint8Array>, string][] = [
  ["a name of one label", { one: ONE }, NOT_A_DOMAIN],
  ["an own property __proto__", JSON.parse('{"__proto__":[1]}'), NOT_A_DOMAIN],
  ["another name under kleidi.dev", { "x.kleidi.dev": ONE }, IN_HOST_DOMAIN],
  [
    "32,000 bytes",
    { "a.b": new Uint8Array(32_000 - 3) },
    "its annotations are 32000 bytes, at most 31999 are allowed",
  ],
];
for (const [what, annotations, said] of BAD_RESTS) {
  test(`withoutFormat refuses ${what} beside the format`, () => {
    const all = Object.defineProperties(
      { [FORMAT_NAME]: ONE },
      Object.getOwnPropertyDescriptors(annotations),
    );
    assert.throws(() => withoutFormat(all), {
      code: "annotations-invalid",
      message: `Cannot decrypt: ${said}`,
    });
  });
}

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?$/);
const annotation = fc.record({
  name: fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join(".")),
  value: fc.uint8Array({ maxLength: 40 }),
});

test("withoutFormat returns the input of withFormat", () => {
  fc.assert(
    fc.property(fc.uniqueArray(annotation, { selector: ({ name }) => name, maxLength: 8 }), (annotations) => {
      fc.pre(annotationsFault(annotations) === undefined);
      const back = withoutFormat(withFormat(annotations));
      assert.deepEqual(sorted(back), sorted(annotations));
    }),
  );
});

function sorted(annotations: readonly Annotation[]): Annotation[] {
  return annotations.map(({ name, value }) => ({ name, value })).sort((a, b) => (a.name < b.name ? -1 : 1));
}
