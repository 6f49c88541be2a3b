import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { lineDiff } from "../lib/line-diff.ts";
import { promoteKey, retireKey, stageKey } from "./edits.ts";

const COMMENTED = `# The head.
apiVersion: kleidi.dev/v1   # an odd distance
keystore:   { directory: keys }
providers:
  local:
    grants:
      keystore: { keys: [kek-2026] } # granted
  tpm:
    grants:
      state:
        names: # records
        - "tpm-1"   # the first
  vault:
    grants:
      net:
        allow: # requests
          - GET /v1/transit/keys/v-1
          - POST /v1/transit/encrypt/v-1 # encrypt

          - POST /v1/transit/decrypt/v-1
keys:
  # before the first
  - { name: kek-2026, provider: local,   use: active, version: "12" } # since 2026
  -   name: tpm-1 # a block
      provider: 'tpm'
      use: 'decrypt'
  -
    use: "decrypt"
    name: v-1
    provider: vault
    settings: {mount: transit}

# The tail.
`;

/** Everything that happens to a key of each kind. */
const STEPS: readonly (readonly [name: string, edit: (text: string) => string])[] = [
  ["a pinned key in a flow mapping is succeeded", (text) => stageKey(text, "kek-2026", "kek-2027", "1e5")],
  ["a key in a block mapping is succeeded", (text) => stageKey(text, "tpm-1", "tpm-2")],
  ["a key in a KMS is succeeded", (text) => stageKey(text, "v-1", "v-2")],
  ["a key is promoted", (text) => promoteKey(text, "v-2")],
  ["a key is retired", (text) => retireKey(text, "kek-2026")],
  ["a key in a block is retired", (text) => retireKey(text, "tpm-1")],
  ["a key in a KMS is retired", (text) => retireKey(text, "v-1")],
  ["the last key of a provider is retired", (text) => retireKey(text, "tpm-2")],
];

describe("each edit keeps comments, order, quotes and spaces", () => {
  test("in a commented file", (t: TestContext) => {
    let text = COMMENTED;
    for (const [name, edit] of STEPS) {
      const edited = edit(text);
      t.assert.snapshot([name, ...lineDiff(text, edited)]);
      text = edited;
    }
  });

  test("with Windows line ends, and without a line end at the end", () => {
    const text = COMMENTED.replaceAll("\n", "\r\n").trimEnd();
    const edited = stageKey(text, "v-1", "v-2");
    assert.equal(edited.replaceAll("\r\n", "").includes("\n"), false);
    assert.equal(parse(edited).keys.at(-1).name, "v-2");
    assert.ok(stageKey("keys:\n- name: a\n  provider: p\n  use: active\nproviders: { p: {} }", "a", "b"));
    const last = stageKey("providers: { p: {} }\nkeys:\n- name: a\n  provider: p\n  use: active", "a", "b");
    assert.deepEqual(parse(last).keys[1], { name: "b", provider: "p", use: "decrypt" });
  });

  test("JSON stays JSON", () => {
    const { keys, providers } = JSON.parse(
      retireKey(
        promoteKey(stageKey(JSON.stringify(parse(COMMENTED)), "kek-2026", "kek-2027"), "kek-2027"),
        "kek-2026",
      ),
    );
    assert.deepEqual(keys[0], { name: "kek-2027", provider: "local", use: "active" });
    assert.deepEqual(providers.local.grants.keystore.keys, ["kek-2027"]);
  });
});

test("the name in the KMS is the setting, and becomes the key's own", () => {
  const text = stringify({
    providers: {
      v: { grants: { net: { allow: ["GET /v1/t/keys/old", "POST /v1/t/encrypt/old", "GET /x"] } } },
    },
    keys: [{ name: "a", provider: "v", use: "active", settings: { key: "old", mount: "t" } }],
  });
  const { providers, keys } = parse(stageKey(text, "a", "b"));
  assert.deepEqual(keys[1], { name: "b", provider: "v", use: "decrypt", settings: { mount: "t" } });
  assert.deepEqual(providers.v.grants.net.allow, [
    "GET /v1/t/keys/old",
    "POST /v1/t/encrypt/old",
    "GET /v1/t/keys/b",
    "POST /v1/t/encrypt/b",
    "GET /x",
  ]);
});

test("requests that another key of the provider shares stay when one is retired", () => {
  const allow = ["GET /v1/t/keys/kek", "GET /v1/u/keys/kek", "GET /v1/t/keys/other"];
  const text = stringify({
    providers: { v: { grants: { net: { allow } } } },
    keys: [
      { name: "kek", provider: "v", use: "decrypt" },
      { name: "x", provider: "v", use: "active", settings: { key: "kek", mount: "u" } },
    ],
  });
  assert.deepEqual(parse(retireKey(text, "kek")).providers.v.grants.net.allow, allow);
});

test("any valid file has the wanted values after an edit, in every style of the printer", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
  const style = fc.record({
    indentSeq: fc.boolean(),
    flowCollectionPadding: fc.boolean(),
    collectionStyle: fc.constantFrom("any" as const, "block" as const, "flow" as const),
    defaultStringType: fc.constantFrom("PLAIN" as const, "QUOTE_DOUBLE" as const, "QUOTE_SINGLE" as const),
    indent: fc.integer({ min: 1, max: 5 }),
    lineWidth: fc.constantFrom(0, 20, 80),
  });
  fc.assert(
    fc.property(fc.uniqueArray(name, { minLength: 3, maxLength: 6 }), style, (names, options) => {
      const [next = "", ...old] = names;
      const keys = old.map((each, i) => ({ name: each, provider: "p", use: i === 0 ? "active" : "decrypt" }));
      const value = { providers: { p: { grants: { keystore: { keys: old } } } }, keys };
      const [first = "", second = ""] = old;
      const promoted = promoteKey(stageKey(stringify(value, options), first, next), next);
      const { keys: after, providers } = parse(retireKey(promoted, second));
      assert.deepEqual(
        after.map((key: { name: string }) => key.name),
        [first, next, ...old.slice(2)],
      );
      assert.deepEqual(providers.p.grants.keystore.keys, [first, next, ...old.slice(2)]);
      assert.deepEqual(
        after.filter((key: { use: string }) => key.use === "active").map((key: { name: string }) => key.name),
        [next],
      );
    }),
    { numRuns: 300 },
  );
});

const COMPOSED = `providers:
  local: { grants: { keystore: { keys: [a, b, c] } } }
keys:
  - { name: both, anyOf: [a, b], use: decrypt } # the former one
  - { name: pair, allOf: [b, c], use: active }
  - { name: a, provider: local, use: member }
  - { name: b, provider: local, use: member } # of both
  - { name: c, provider: local, use: member }
`;

test("a composed key is retired: a member of no other key decrypts from then on, and providers and grants stay", () => {
  const { keys, providers } = parse(retireKey(COMPOSED, "both"));
  assert.deepEqual(keys, [
    { name: "pair", allOf: ["b", "c"], use: "active" },
    { name: "a", provider: "local", use: "decrypt" },
    { name: "b", provider: "local", use: "member" },
    { name: "c", provider: "local", use: "member" },
  ]);
  assert.deepEqual(providers, parse(COMPOSED).providers);
});

test("a composed key is promoted as any key", () => {
  const { keys } = parse(promoteKey(COMPOSED, "both"));
  assert.deepEqual(
    keys.map(({ use }: { use: string }) => use),
    ["active", "decrypt", "member", "member", "member"],
  );
});
