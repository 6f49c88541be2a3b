/** The SDK's public API (sdk/assemblyscript/assembly/index.ts) is documented: each export has every part of its docstring, and every example compiles. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { compile } from "../../sdk/assemblyscript/build.ts";

const root = join(import.meta.dirname, "..", "..");
const ENTRY = join(root, "sdk/assemblyscript/assembly/index.ts");
/** As deep as a provider's folder, so that the import path of an example is valid here too. */
const EXAMPLES = join(root, ".tmp/rules/assembly/sdk-examples.ts");
const SDK = "../../../sdk/assemblyscript/assembly";

interface Declaration {
  /** The name as a provider writes it: "keystore.seal". */
  readonly name: string;
  readonly kind: string;
  readonly doc: string;
  /** From the keyword to the closing brace. */
  readonly source: string;
}

/** The names that a module exports, each with the file that declares it. */
function exportsOf(file: string): [name: string, file: string][] {
  const text = readFileSync(file, "utf8");
  const own = [...text.matchAll(/^export (?:abstract )?(?:function|class|enum) (\w+)/gm)];
  const passedOn = [...text.matchAll(/^export \{([^}]*)\} from "([^"]+)"/gm)];
  return [
    ...own.map(([, name = ""]): [string, string] => [name, file]),
    ...passedOn.flatMap(([, names = "", from = ""]) =>
      exportsOf(fileOf(file, from)).filter(([name]) => namesIn(names).includes(name)),
    ),
  ];
}

function declarations(): Declaration[] {
  const text = readFileSync(ENTRY, "utf8");
  const namespaces = [...text.matchAll(/^import \* as (\w+) from "([^"]+)"/gm)];
  const inside = namespaces.flatMap(([, namespace = "", from = ""]) =>
    exportsOf(fileOf(ENTRY, from)).map(([name, file]) => declaration(`${namespace}.`, name, file)),
  );
  return [...exportsOf(ENTRY).map(([name, file]) => declaration("", name, file)), ...inside];
}

function declaration(prefix: string, name: string, file: string): Declaration {
  const text = readFileSync(file, "utf8");
  const start = `^export (?:abstract )?(function|class|enum) ${name}\\b`;
  const found = new RegExp(`${start}.*?^\\}$`, "ms").exec(text);
  assert.ok(found, `${file} declares ${name}`);
  const before = text.slice(0, found.index);
  const doc = /\/\*\*((?:(?!\*\/).)*)\*\/\n$/s.exec(before)?.[1] ?? "";
  return {
    name: prefix + name,
    kind: found[1] ?? "",
    doc: doc.replaceAll(/^ *\* ?/gm, ""),
    source: found[0],
  };
}

function namesIn(list: string): string[] {
  return list
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function fileOf(from: string, path: string): string {
  const file = join(dirname(from), `${path}.ts`);
  return existsSync(file) ? file : join(dirname(from), path, "index.ts");
}

/** The names of the parameters in the first parentheses of a signature. */
function parametersOf(signature: string): string[] {
  const [, inside = ""] = /\(((?:[^()]|\([^()]*\))*)\)/.exec(signature) ?? [];
  const plain = inside.replaceAll(/\/\*\*.*?\*\//gs, "");
  return [...plain.matchAll(/(\w+)\s*:/g)].map(([, name = ""]) => name);
}

const paramsIn = (doc: string) => [...doc.matchAll(/^@param (\w+) \S/gm)].map(([, name = ""]) => name);
const examplesIn = (doc: string) =>
  [...doc.matchAll(/^@example\n```ts\n(.*?)\n```$/gms)].map(([, code = ""]) => code);

/** Members of a class or an enum that a provider can use and that have no comment of their own. */
function bareMembers(source: string): string[] {
  const lines = source.split("\n");
  return lines.filter((line, index) => {
    if (/^ {2}(private|protected|constructor)\b/.test(line)) return false;
    const isMember = /^ {2}(?:(?:static|abstract|get|readonly) )*\w+(?: =|[(:<?])/.test(line);
    const isProperty = /^ {4}public \w+/.test(line);
    return (isMember || isProperty) && !(lines[index - 1] ?? "").trimEnd().endsWith("*/");
  });
}

/** The methods of a class with their comments, except `@internal` ones. */
function methodsOf(source: string): { name: string; doc: string; signature: string }[] {
  const method =
    /^ {2}\/\*\*((?:(?!\*\/).)*)\*\/\n {2}(?!private|constructor|get )((?:static |abstract )*(\w+)\([^\n]*\)[^\n]*)$/gms;
  return [...source.matchAll(method)]
    .map(([, doc = "", signature = "", name = ""]) => ({
      name,
      doc: doc.replaceAll(/^ *\* ?/gm, ""),
      signature,
    }))
    .filter(({ doc }) => !doc.includes("@internal"));
}

const DECLARED = declarations();

test("the public API is found", () => {
  const names = DECLARED.map(({ name }) => name);
  for (const name of ["Provider", "serve", "kleidi_status", "fail", "keystore.seal", "json.parse", "utf8"])
    assert.ok(names.includes(name), name);
  assert.equal(new Set(names).size, names.length);
});

describe("each export of the SDK is documented completely", () => {
  for (const { name, kind, doc, source } of DECLARED) {
    test(name, () => {
      assert.match(doc, /^\s*[A-Z`]/, "a sentence first");
      assert.ok(examplesIn(doc).length > 0, "an @example with ```ts");
      if (kind === "function") {
        assert.deepEqual(paramsIn(doc), parametersOf(source), "@param for each parameter, in order");
        if (!/\): void \{/.test(source)) assert.match(doc, /^@returns \S/m);
        assert.match(doc, /^@throws \S/m, "@throws: how it fails, or that it does not");
      }
      if (kind !== "class" && kind !== "enum") return;
      assert.deepEqual(bareMembers(source), [], "each public member has a comment");
      const constructed = /^ {2}\/\*\* @internal[^\n]*\n {2}constructor/m.test(source)
        ? []
        : parametersOf(/^ {2}constructor(.*?)\) \{/ms.exec(source)?.[0] ?? "");
      assert.deepEqual(paramsIn(doc), constructed, "@param for each parameter of the constructor");
      for (const method of methodsOf(source)) {
        assert.deepEqual(paramsIn(method.doc), parametersOf(method.signature), method.name);
        if (!/\): void\b/.test(method.signature)) assert.match(method.doc, /^@returns \S/m, method.name);
      }
    });
  }
});

test("every example compiles", async () => {
  const [statements, modules]: [string[], string[]] = [[], []];
  const exported = new Set<string>();
  for (const example of new Set(DECLARED.flatMap(({ doc }) => examplesIn(doc)))) {
    const code = example.replaceAll(/^export \{([^}]*)\} from "([^"]+)";$/gm, (_, names, from) => {
      assert.equal(from, SDK);
      for (const name of namesIn(names)) exported.add(name);
      return "";
    });
    // a class cannot be inside a function
    if (/^class /m.test(code)) modules.push(code);
    else statements.push(code);
  }
  assert.ok(statements.length > 50, `${statements.length} examples`);
  const text = readFileSync(ENTRY, "utf8");
  const names = [...text.matchAll(/^export \{([^}]*)\}/gm)].flatMap(([, list = ""]) => namesIn(list));
  const parts = [
    `import { ${names.join(", ")} } from "${SDK}";`,
    `export { ${[...exported].join(", ")} } from "${SDK}";`,
    ...modules,
    ...statements.map((code, index) => `export function example${index}(): void {\n${code}\n}`),
  ];
  mkdirSync(dirname(EXAMPLES), { recursive: true });
  writeFileSync(EXAMPLES, `${parts.join("\n\n")}\n`);
  const module = new WebAssembly.Module(await compile(EXAMPLES));
  const compiled = WebAssembly.Module.exports(module).filter(({ name }) => name.startsWith("example"));
  assert.equal(compiled.length, statements.length);
});
