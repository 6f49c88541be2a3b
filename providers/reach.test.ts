/** The manifest of each provider lists exactly the host calls that each RPC reaches in the module's call graph. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import wabt from "wabt";
import { buildAll } from "./build.ts";

const RPCS = ["status", "encrypt", "decrypt", "provision"];
const PROVIDERS = ["aws", "azure", "gcp", "gpg", "local", "tpm", "vault"];

let built: Awaited<ReturnType<typeof buildAll>>;

before(async () => {
  built = await buildAll();
});

test("every provider is tested", () => {
  assert.deepEqual(
    built.map(({ name }) => name),
    PROVIDERS,
  );
});

for (const provider of PROVIDERS) {
  test(`${provider}: each row lists exactly the host calls that its RPC's export can reach, and nothing is called through a table`, async () => {
    const { path } = built.find(({ name }) => name === provider) ?? assert.fail("it was not built");
    const { readWasm } = await wabt();
    const text = readWasm(await readFile(path), {}).toText({ foldExprs: false, inlineExport: false });
    assert.doesNotMatch(text, /call_indirect|call_ref/);
    const manifest = await readFile(`${import.meta.dirname}/${provider}/provider.json`, "utf8");
    const { capabilities } = JSON.parse(manifest);
    for (const rpc of RPCS) {
      const listed = capabilities
        .filter((row: { rpcs: string[] }) => row.rpcs.includes(rpc))
        .flatMap(({ capability, operations }: { capability: string; operations: string[] }) =>
          operations.map((operation) => `${capability}.${operation}`),
        );
      assert.deepEqual([...reached(text, `kleidi_${rpc}`)].sort(), listed.sort(), rpc);
    }
  });
}

/** Returns the host calls that an export reaches, from the text of a module. */
function reached(text: string, name: string): Set<string> {
  const imports = new Map<string, string>();
  for (const [, namespace, operation, id] of text.matchAll(
    /\(import "kleidi:(\w+)" "(\w+)" \(func \(;(\d+);\)/g,
  )) {
    imports.set(id ?? "", `${namespace}.${operation}`);
  }
  const bodies = new Map<string, string>();
  for (const part of text.split("\n  (func ").slice(1))
    bodies.set(/^\(;(\d+);\)/.exec(part)?.[1] ?? "", part);
  const start = new RegExp(`\\(export "${name}" \\(func (\\d+)\\)\\)`).exec(text)?.[1];
  // The provider does not have this RPC, so no row may name it.
  if (start === undefined) return new Set();
  const seen = new Set<string>([start]);
  for (const id of seen) {
    for (const [, called] of (bodies.get(id) ?? "").matchAll(/\bcall (\d+)/g)) seen.add(called ?? "");
  }
  return new Set([...seen].flatMap((id) => imports.get(id) ?? []));
}
