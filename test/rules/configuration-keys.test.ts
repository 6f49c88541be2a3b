/** Every key that the configuration accepts is read by code other than its declaration. Necessary, not sufficient: it finds keys whose name nothing reads. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type * as z from "zod";
import { SCHEMA } from "../../host/config/schema.ts";
import { entryOf, itemOf, keysOf } from "../../host/schema/shape.ts";
import { root } from "../support/fixture.ts";

type Schema = z.core.$ZodType;

/** The path of each key, with `[]` for an item and `<name>` for a free name. */
function* pathsOf(schema: Schema, path = ""): Generator<string> {
  for (const [key, child] of Object.entries(keysOf(schema))) {
    const here = path === "" ? key : `${path}.${key}`;
    yield here;
    yield* pathsOf(child, here);
  }
  const [entry, item] = [entryOf(schema), itemOf(schema)];
  if (entry !== undefined) yield* pathsOf(entry, `${path}.<name>`);
  if (item !== undefined) yield* pathsOf(item, `${path}[]`);
}

/** The code of the host without tests, declarations of schemas, comments and texts. */
function readers(): string {
  return globSync("host/**/*.ts", { cwd: root })
    .filter((file) => !file.endsWith(".test.ts"))
    .map((file) => readFileSync(join(root, file), "utf8"))
    .filter((text) => !/\.(strictObject|looseObject)\(/.test(text))
    .join("\n")
    .replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$|"(?:[^"\\\n]|\\.)*"/gm, "");
}

/** The schema's transform gives it another name, processMemoryBytes, and that name is read. */
const RENAMED = ["providers.<name>.limits.processMemory"];

function unreadOf(paths: readonly string[]): string[] {
  const code = readers();
  return paths.filter((path) => {
    const name = /[A-Za-z0-9]+$/.exec(path)?.[0] ?? "";
    // A property, or a name in a destructuring pattern.
    return name !== "" && !new RegExp(`\\.${name}\\b|[{,]\\s*${name}\\s*[,}=:]`).test(code);
  });
}

test("every key of the configuration is read outside its declaration", () => {
  const paths = [...pathsOf(SCHEMA)];
  assert.ok(paths.includes("providers.<name>.grants.tpm.persistent"), "the walk reaches the grants");
  assert.deepEqual(unreadOf(paths), RENAMED);
});

test("a key that nothing reads is found", () => {
  const path = "providers.<name>.grants.tpm.ownerPasswordFile";
  assert.deepEqual(unreadOf([path]), [path]);
});
