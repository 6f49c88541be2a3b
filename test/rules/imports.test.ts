/** The reader of imports: it sees every form of an import, ignores text that only looks like one, and counts a computed name as one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { importsOf } from "./imports.ts";

const SEEN: Readonly<Record<string, string>> = {
  "an import": 'import { Gate } from "../capabilities/gate.ts";',
  "an import for its effects": 'import "../capabilities/gate.ts";',
  "a default and a namespace": "import gate, * as all from '../capabilities/gate.ts'",
  "over several lines": 'import {\n  Gate, // ; from "x"\n} from "../capabilities/gate.ts";',
  "with attributes": 'import gate from "../capabilities/gate.ts" with { type: "json" };',
  "with escapes": 'import "../capa\\u0062ilities/\\x67ate.ts";',
  "a type": 'import type { Gate } from "../capabilities/gate.ts";\nexport type Mine = Gate;\n',
  "a type within a type": 'type Mine = ReturnType<typeof import("../capabilities/gate.ts").open>;',
  "an export of all": 'export * from "../capabilities/gate.ts";\n',
  "an export under a name": 'export * as gate from "../capabilities/gate.ts";\n',
  "an export of names": 'export { Gate, open as from } from "../capabilities/gate.ts";',
  "an export of types": 'export type { Gate } from "../capabilities/gate.ts";',
  "a dynamic import": 'export const gate = import("../capabilities/gate.ts");\n',
  "a dynamic import with options": 'import("../capabilities/gate.ts", { with: {} })',
  "a dynamic import in a template": "const x = `$".concat("{await import('../capabilities/gate.ts')}`;"),
  "a type in JSDoc": '/** @param {import("../capabilities/gate.ts").Gate} gate */',
  "an import in JSDoc": '/** @import { Gate } from "../capabilities/gate.ts" */',
  "a reference": '/// <reference path="../capabilities/gate.ts" />',
  "a file by its URL": 'new Worker(new URL("../capabilities/gate.ts", import.meta.url))',
  "a file that is resolved": 'import.meta.resolve("../capabilities/gate.ts")',
  require: 'const gate = require("../capabilities/gate.ts");',
  "require.resolve": 'require.resolve("../capabilities/gate.ts")',
  "a module of Node": 'process.getBuiltinModule("../capabilities/gate.ts")',
  "behind a regular expression": 'const a = /["\'`]/.test(b); import "../capabilities/gate.ts";',
  "behind a division": 'const a = b / 2; import "../capabilities/gate.ts"; const c = d / 2;',
  "behind a template": "const a = `$".concat('{{ b: `"` }}"`; import "../capabilities/gate.ts";'),
};

const COMPUTED: Readonly<Record<string, string>> = {
  "a name": "import(name)",
  "a sum": 'import("../capabilities/" + name)',
  "a choice": 'import("./a.ts" ? "./b.ts" : name)',
  "a template": "import(`../capabilities/$".concat("{name}.ts`)"),
  "a type in JSDoc": "/** @type {import(name)} */",
  require: "require(name)",
  "a require of its own": "const load = createRequire(import.meta.url);",
  "a URL": "new URL(name, import.meta.url)",
  "a file that is resolved": "import.meta.resolve(name)",
};

const UNSEEN: Readonly<Record<string, string>> = {
  "a comment": '// import "../capabilities/gate.ts";',
  "a string": "const text = 'import \"../capabilities/gate.ts\"';",
  "a template": 'const code = `import "../capabilities/gate.ts"; await import(x);`;',
  "a regular expression": 'const a = /import "x"/;',
  "a property": 'const a = { import: "x" }; interface B { readonly import?: string } b.import("x");',
  "an export of its own": 'export { a };\nconst from = "x";\nexport const b = "y";\nexport type C = "z";',
  "properties of the file": "import.meta.dirname; import.meta.url;",
  "a URL": 'new URL("https://a.example/");',
};

describe("the reader of imports", () => {
  for (const [form, source] of Object.entries(SEEN)) {
    test(`sees ${form}`, () => assert.deepEqual(fromOf(source), ["../capabilities/gate.ts"]));
  }
  for (const [form, source] of Object.entries(COMPUTED)) {
    test(`returns no name for ${form}`, () => assert.deepEqual(fromOf(source), [undefined]));
  }
  for (const [form, source] of Object.entries(UNSEEN)) {
    test(`sees nothing in ${form}`, () => assert.deepEqual(fromOf(source), []));
  }

  test("distinguishes types from loaded files", () => {
    const source =
      'import type { A } from "a";\nimport type from "b";\nimport { type C } from "c";\nexport type * from "d";';
    assert.deepEqual(
      importsOf(source).map(({ type, line }) => [type, line]),
      [
        [true, 1],
        [false, 2],
        [false, 3],
        [true, 4],
      ],
    );
  });

  for (const source of ['const a = "b', "const a = `b", "/* a"]) {
    test(`refuses ${source}, which has no end`, () => assert.throws(() => importsOf(source), /has no end/));
  }
});

function fromOf(source: string): (string | undefined)[] {
  return importsOf(source).map(({ from }) => from);
}
