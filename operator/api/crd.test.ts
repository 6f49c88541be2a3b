/** The CRDs in operator/crds match the schemas. test/operator installs them in a real API server. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { definitions } from "./crd.ts";

for (const [file, definition] of Object.entries(definitions())) {
  test(`${file} is current`, () => {
    const text = readFileSync(join(import.meta.dirname, "..", "crds", file), "utf8");
    assert.deepEqual(parse(text), JSON.parse(JSON.stringify(definition)), "run npm run generate");
  });
}
