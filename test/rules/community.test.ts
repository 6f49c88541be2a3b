/** The files under .github/ have the format of the forge, and the paths that need an owner exist and have one. */
import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import * as z from "zod";

const root = join(import.meta.dirname, "..", "..");
const textOf = (path: string) => readFileSync(join(root, path), "utf8");

/** Path and owners of each line. */
const OWNED = textOf(".github/CODEOWNERS")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map((line) => line.split(/\s+/));

describe("CODEOWNERS", () => {
  test("begins with the owner of everything, because a later line takes precedence", () => {
    assert.equal(OWNED[0]?.[0], "*");
  });

  for (const [path = "", ...owners] of OWNED.slice(1)) {
    test(`${path} exists and has an owner`, () => {
      assert.match(path, /^\/\S+$/);
      assert.equal(statSync(join(root, path)).isDirectory(), path.endsWith("/"));
      assert.ok(owners.length > 0);
      for (const owner of owners) assert.match(owner, /^@[\w-]+\/[\w-]+$/);
    });
  }

  for (const path of [
    "/host/capabilities/",
    "/host/module/",
    "/host/sandbox/",
    "/proto/",
    "/sdk/",
    "/docs/ABI.md",
  ]) {
    test(`${path} has an owner of its own`, () => {
      const [, owner] = OWNED.findLast(([each]) => each === path) ?? [];
      assert.ok(owner !== undefined && owner !== OWNED[0]?.[1]);
    });
  }
});

/** The part of the forge's format for issue forms that is used here. */
const FIELD = z.strictObject({
  type: z.enum(["input", "textarea", "dropdown"]),
  id: z.string().regex(/^[a-z]+$/),
  attributes: z.strictObject({
    label: z.string(),
    description: z.string().optional(),
    render: z.literal("text").optional(),
    options: z.array(z.string()).min(2).optional(),
  }),
  validations: z.strictObject({ required: z.literal(true) }).optional(),
});
const NOTE = z.strictObject({
  type: z.literal("markdown"),
  attributes: z.strictObject({ value: z.string() }),
});
const FORM = z.strictObject({
  name: z.string(),
  description: z.string(),
  labels: z.array(z.string()).length(1),
  body: z.array(z.discriminatedUnion("type", [FIELD, NOTE])).min(1),
});

describe("an issue form", () => {
  const forms = globSync(".github/ISSUE_TEMPLATE/*.yml", { cwd: root }).filter(
    (path) => !path.endsWith("config.yml"),
  );
  test("exists for a bug, a feature and a provider, and is required for an issue", () => {
    assert.deepEqual(forms.map((path) => path.split("/").at(-1)).sort(), [
      "bug.yml",
      "feature.yml",
      "provider.yml",
    ]);
    assert.deepEqual(parse(textOf(".github/ISSUE_TEMPLATE/config.yml")), { blank_issues_enabled: false });
  });

  for (const path of forms) {
    test(`${path} is valid, and each of its fields has a unique id`, () => {
      const { body } = FORM.parse(parse(textOf(path)));
      const ids = body.flatMap((field) => ("id" in field ? [field.id] : []));
      assert.equal(new Set(ids).size, ids.length);
    });
  }

  test("for a bug refers vulnerabilities elsewhere, like the template for changes", () => {
    for (const path of [".github/ISSUE_TEMPLATE/bug.yml", ".github/pull_request_template.md"])
      assert.match(textOf(path), /vulnerability does not belong in .*: see SECURITY\.md/);
  });
});
