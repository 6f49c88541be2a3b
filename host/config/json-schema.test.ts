import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Ajv } from "ajv";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { root } from "../../test/support/fixture.ts";
import { entryOf, itemOf, keysOf, pathKeys, resolvePaths, schemaAt } from "../schema/shape.ts";
import { ConfigError } from "./config-error.ts";
import { Document } from "./document.ts";
import { configJsonSchema } from "./json-schema.ts";
import { parseConfig } from "./parse.ts";
import { SCHEMA } from "./schema.ts";

type Json = { readonly [key: string]: Json };

const SCHEMA_JSON = configJsonSchema();
const accepts = new Ajv().compile(SCHEMA_JSON);

/** Keys that the parser checks in code, beyond the form in the JSON Schema. Apart from them, only the rules across keys are stricter. */
const STRICTER_IN_CODE = new Set([
  // without NUL, and not too long once resolved
  ...pathKeys(SCHEMA),
  "trust.keys[].expires",
  "trust.revoked[]",
  // at most so many bytes in UTF-8
  "providers.<name>.grants.pkcs11.token",
  "providers.<name>.grants.pkcs11.keys[]",
  "providers.<name>.grants.pkcs11.foreign[]",
  "providers.<name>.grants.tpm.device",
  "providers.<name>.grants.net.origin",
  "providers.<name>.grants.net.allow[]",
  "providers.<name>.grants.net.headers[]",
  "providers.<name>.grants.net.networks[]",
  "providers.<name>.grants.net.limits.request",
  "providers.<name>.grants.net.limits.response",
  "providers.<name>.grants.net.limits.timeout",
  "providers.<name>.grants.net.tls.serverName",
  "providers.<name>.grants.net.credential.vault",
  "providers.<name>.grants.net.credential.aws",
  "providers.<name>.grants.net.credential.aws.sts",
  "providers.<name>.grants.net.credential.azure",
  "providers.<name>.grants.net.credential.azure.login",
  "providers.<name>.grants.net.credential.gcp",
  "providers.<name>.grants.net.credential.gcp.oauth",
  "providers.<name>.grants.net.credential.gcp.sts",
  "providers.<name>.grants.net.credential.gcp.iam",
  "providers.<name>.grants.net.credential.vault.mount",
  "providers.<name>.grants.net.credential.vault.namespace",
  "providers.<name>.grants.net.credential.file.header",
  "providers.<name>.grants.net.credential.login.header",
  "providers.<name>.grants.net.credential.login.body",
  "providers.<name>.grants.net.credential.login.body.<name>",
  "providers.<name>.limits.memory",
  "providers.<name>.limits.processMemory",
  "providers.<name>.limits.input",
  "providers.<name>.limits.output",
  "providers.<name>.limits.deadline",
  "status.interval",
  "audit.rotate.size",
  "audit.checkpoints.interval",
  "admin.listen",
]);

const read = (path: string) => readFileSync(join(root, path), "utf8");
const documented = /```yaml\n(apiVersion[\s\S]*?)```/.exec(read("docs/configuration.md"))?.[1] ?? "";
const LOGIN = `method: POST
path: /v1/login
body: { user: { text: kleidi }, password: { file: /etc/kleidi/password } }
token: /token
ttl: /expires_in
header: authorization
scheme: Bearer
`;
const withLogin = parse(documented);
withLogin.providers.vault.grants.net.credential = { login: parse(LOGIN) };
const withFile = parse(documented);
withFile.providers.vault.grants.net.credential = {
  file: { file: "/etc/kleidi/token", header: "authorization", scheme: "Bearer" },
};
const VALID: readonly (readonly [string, unknown])[] = [
  ["docs/configuration.md", parse(documented)],
  ["docs/configuration.md with a login", withLogin],
  ["docs/configuration.md with a token file", withFile],
  ...["tpm", "vault", "aws", "gcp", "azure", "pkcs11", "gpg"].map(
    (name) => [name, parse(read(`examples/${name}/kleidi.yaml`))] as const,
  ),
];

/** The parser's verdict on a document that JSON can express. */
function faultOf(value: unknown): ConfigError | undefined {
  try {
    parseConfig(stringify(value), "/etc/kleidi/kleidi.yaml");
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
}

/** The keys at which the parser's own schema refuses a document; it does not contain the rules across keys. */
function refusedKeys(value: unknown): string[] {
  const document = new Document(stringify(value)).value;
  const { error } = SCHEMA.safeParse(resolvePaths(document, "/etc/kleidi", SCHEMA));
  return (error?.issues ?? []).map(({ path }) =>
    keyOf(path.map((step) => (typeof step === "number" ? step : String(step)))),
  );
}

/** "providers.local.limits" → "providers.<name>.limits" */
function keyOf(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step, i) => {
    if (typeof step === "number") return `${text}[]`;
    const parent = schemaAt(SCHEMA, path.slice(0, i));
    const name = parent !== undefined && entryOf(parent) !== undefined ? "<name>" : step;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}

function assertAgreement(value: unknown): "accepted" | "refused" | "weaker" {
  const fault = faultOf(value);
  if (!accepts(value)) {
    assert.ok(fault, `the parser accepts, the schema refuses: ${JSON.stringify(accepts.errors)}`);
    return "refused";
  }
  for (const key of refusedKeys(value))
    assert.ok(
      STRICTER_IN_CODE.has(key),
      `${key} is refused by the parser's schema and not by the JSON Schema`,
    );
  return fault === undefined ? "accepted" : "weaker";
}

describe("the JSON Schema of the configuration", () => {
  for (const [name, value] of VALID)
    test(`accepts ${name}`, () => {
      assert.equal(faultOf(value), undefined);
      assert.ok(accepts(value), JSON.stringify(accepts.errors));
    });

  test("explains every key", () => {
    const unexplained: string[] = [];
    const visit = (json: Json, path: string) => {
      if (typeof json.description !== "string") unexplained.push(path);
      for (const [name, each] of Object.entries(json.properties ?? {})) visit(each, `${path}.${name}`);
      if (json.items !== undefined) visit(json.items, `${path}[]`);
      if (typeof json.additionalProperties === "object") visit(json.additionalProperties, `${path}.<name>`);
    };
    visit(SCHEMA_JSON as Json, "");
    assert.deepEqual(unexplained, []);
  });

  test("lists only existing keys as stricter in code", () => {
    const known = new Set<string>();
    const visit = (schema: Parameters<typeof keysOf>[0] | undefined, path: string) => {
      if (schema === undefined) return;
      known.add(path);
      for (const [name, each] of Object.entries(keysOf(schema)))
        visit(each, path === "" ? name : `${path}.${name}`);
      visit(entryOf(schema), `${path}.<name>`);
      visit(itemOf(schema), `${path}[]`);
    };
    visit(SCHEMA, "");
    assert.deepEqual(
      [...STRICTER_IN_CODE].filter((key) => !known.has(key)),
      [],
    );
  });

  test("agrees with the parser on every text of the fuzz corpus", () => {
    const folder = join(root, "test/fuzz/corpus/config");
    const texts = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
    for (const text of texts) {
      const document = new Document(text);
      if (document.faults.length === 0 && document.value !== undefined)
        assertAgreement(plain(document.value));
    }
  });

  test("refuses no changed document that the parser accepts, and is weaker only at the listed keys", () => {
    const seen = { accepted: 0, refused: 0, weaker: 0 };
    fc.assert(
      fc.property(
        fc.constantFrom(...VALID),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        ([, value], changes) => {
          const changed = structuredClone({ root: value });
          for (const each of changes) apply(changed, each);
          seen[assertAgreement(changed.root)]++;
        },
      ),
      { numRuns: 3000 },
    );
    for (const [outcome, count] of Object.entries(seen)) assert.ok(count > 30, `${outcome}: ${count}`);
  });
});

/** The JSON value of a document. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

interface Change {
  readonly kind: "replace" | "remove" | "rename" | "add" | "repeat";
  readonly at: number;
  readonly name: string;
  readonly value: unknown;
}
const WORDS = [
  "keys",
  "key",
  "name",
  "local",
  "kek-2026",
  "sha256",
  "version",
  "",
  "__proto__",
  "A b",
  "x".repeat(70),
];
const TEXTS = [
  ...[
    "16MiB",
    "1KiB",
    "2s",
    "100ms",
    "99h",
    "0660",
    "0666",
    "active",
    "/",
    "",
    "a\0b",
    "x".repeat(5000),
    "kek 1",
    "true",
  ],
  ...["127.0.0.1:9464", "unix:/run/a.sock", "https://a:1", "POST /v1", "10.0.0.0/8", "2026-02-30", "\n", "é"],
];
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom("replace", "replace", "replace", "remove", "rename", "add", "repeat"),
  at: fc.nat(),
  name: fc.constantFrom(...WORDS),
  value: fc.oneof(
    fc.constantFrom<unknown>(...TEXTS, null, true, {}, [], 0, 1, -1, 16.5, 4096, 2 ** 33),
    fc.jsonValue({ maxDepth: 2 }),
  ),
});

/** Every place in a document: a container and the key of a value in it. */
function places(container: object): (readonly [Record<string, unknown>, string])[] {
  return Object.entries(container).flatMap(([key, value]) => [
    [container as Record<string, unknown>, key] as const,
    ...(typeof value === "object" && value !== null ? places(value) : []),
  ]);
}

function apply(document: { root: unknown }, { kind, at, name, value: shared }: Change): void {
  // An object that is put into itself would have no end.
  const value = structuredClone(shared);
  const all = places(document);
  const [container, key] = all[at % all.length] ?? [{}, ""];
  const inside = container[key];
  if (kind === "replace") container[key] = value;
  else if (kind === "add" && typeof inside === "object" && inside !== null && !Array.isArray(inside))
    Object.defineProperty(inside, name, { value, enumerable: true, configurable: true, writable: true });
  else if (kind === "repeat" && Array.isArray(inside)) inside.push(...structuredClone(inside));
  else if (Array.isArray(container)) container.splice(Number(key), 1);
  else if (container !== document) {
    delete container[key];
    if (kind === "rename" && name !== "__proto__") container[name] = inside;
  }
}
