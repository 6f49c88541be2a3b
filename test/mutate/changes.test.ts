/** The changes that the mutator makes to a file. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { API } from "typescript/unstable/sync";
import { changesTo, draw } from "./changes.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-changes-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(
  join(folder, "tsconfig.json"),
  '{ "compilerOptions": { "types": [] }, "include": ["file.ts"] }',
);

/** The complete texts after each change, by kind. */
function changed(text: string): (readonly [string, string])[] {
  writeFileSync(join(folder, "file.ts"), text);
  const api = new API({ cwd: folder });
  try {
    const [project] = api.updateSnapshot({ openProject: join(folder, "tsconfig.json") }).getProjects();
    const source = project?.program.getSourceFile(join(folder, "file.ts"));
    assert.ok(source !== undefined);
    return changesTo(source).map(({ kind, start, end, text: to }) => [
      kind,
      text.slice(0, start) + to + text.slice(end),
    ]);
  } finally {
    api.close();
  }
}

const ROWS: readonly (readonly [string, string, readonly (readonly [string, string])[]])[] = [
  [
    "a comparison",
    "a < b;",
    [
      ["statement", ";"],
      ["operator", "a <= b;"],
    ],
  ],
  [
    "a check",
    "if (a) throw b;",
    [
      ["condition", "if (!(a)) throw b;"],
      ["check", ";"],
      ["throw", "if (a) ;"],
    ],
  ],
  [
    "a mode",
    "x(0o600);",
    [
      ["statement", ";"],
      ["mode", "x(0o644);"],
    ],
  ],
  [
    "a number",
    "const a = 5;",
    [
      ["number", "const a = (6);"],
      ["number", "const a = (4);"],
      ["number", "const a = (50);"],
    ],
  ],
  ["a durable call", "fsync(a);", [["durable", ";"]]],
  ["arguments", "const a = f(b, c);", [["swap", "const a = f(c, b);"]]],
  ["arguments without an order", "const a = Math.max(b, c);", []],
  ["arguments that are the same", "const a = f(b, b);", []],
  ["a copy", "const a = b.slice();", [["copy", "const a = b;"]]],
  [
    "a list",
    "const a = [b, c];",
    [
      ["element", "const a = [c];"],
      ["element", "const a = [b];"],
    ],
  ],
  [
    "a pattern",
    "const a = /^b$/u;",
    [
      ["pattern", "const a = /b$/u;"],
      ["pattern", "const a = /^b/u;"],
    ],
  ],
  [
    "a function with a written type",
    "function a(): boolean { return b; }",
    [
      ["early", "function a(): boolean { return true; return b; }"],
      ["early", "function a(): boolean { return false; return b; }"],
      ["return", "function a(): boolean { return (undefined as never); }"],
    ],
  ],
  [
    "an import and a type",
    'import type { A } from "./a.ts";\ntype B = 1 | 2;\ninterface C { readonly d: true }',
    [],
  ],
];
for (const [what, text, expected] of ROWS) {
  test(`changesTo changes ${what}`, () => assert.deepEqual(changed(text), expected));
}

test("draw returns the same changes for a seed, each once, and no more than exist", () => {
  const list = Array.from({ length: 30 }, (_, i) => i);
  const drawn = draw(list, 10, 3);
  assert.deepEqual(draw(list, 10, 3), drawn);
  assert.notDeepEqual(draw(list, 10, 4), drawn);
  assert.equal(new Set(drawn).size, 10);
  assert.deepEqual(
    draw(list, 50, 3).sort((a, b) => a - b),
    list,
  );
});
