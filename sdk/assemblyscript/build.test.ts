/** buildProvider: the module's content, reproducible bytes, and the errors. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { buildProvider } from "./build.ts";
import { isFresh } from "./fresh.ts";
import { withSection } from "./section.ts";

const LOCAL = resolve(import.meta.dirname, "../../providers/local");
const entry = join(LOCAL, "assembly/index.ts");
const manifest = join(LOCAL, "provider.json");
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kleidi-sdk-"));
});

after(() => rm(folder, { recursive: true }));

test("a module exports the contract, imports only what it calls, and carries its manifest", async () => {
  const out = join(folder, "module.wasm");
  await buildProvider({ entry, manifest, out });
  const bytes = await readFile(out);
  const module = new WebAssembly.Module(bytes);
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
  assert.deepEqual(exported.sort(), ["kleidi_decrypt", "kleidi_encrypt", "kleidi_status", "memory"]);
  const called = WebAssembly.Module.imports(module).filter((one) => one.module !== "extism:host/env");
  assert.deepEqual(called.map((one) => `${one.module} ${one.name}`).sort(), [
    "kleidi:keystore info",
    "kleidi:keystore open",
    "kleidi:keystore seal",
  ]);
  const sections = WebAssembly.Module.customSections(module, "kleidi.provider");
  assert.equal(sections.length, 1);
  assert.deepEqual(
    JSON.parse(new TextDecoder().decode(sections[0])),
    JSON.parse(await readFile(manifest, "utf8")),
  );
});

test("the same sources give the same bytes, without a path of this machine", async () => {
  const [first, second] = [join(folder, "first.wasm"), join(folder, "second.wasm")];
  await buildProvider({ entry, manifest, out: first });
  await buildProvider({ entry, manifest, out: second });
  const bytes = await readFile(first);
  assert.ok(bytes.equals(await readFile(second)));
  const root = resolve(import.meta.dirname, "../..");
  for (const encoding of ["utf8", "utf16le"] as const)
    assert.ok(!bytes.includes(Buffer.from(root, encoding)));
});

test("a compile error names the file and leaves nothing behind", async () => {
  const [bad, out] = [join(folder, "bad.ts"), join(folder, "bad.wasm")];
  await writeFile(bad, "export function kleidi_status(): i32 { return nothing; }");
  await assert.rejects(
    buildProvider({ entry: bad, manifest, out }),
    /Cannot compile .*bad\.ts:\n.*'nothing'/s,
  );
  assert.ok(!(await readdir(folder)).some((name) => name.startsWith("bad.wasm") || name.endsWith(".tmp")));
});

test("a manifest that is not JSON is refused before anything is compiled", async () => {
  const path = join(folder, "bad.json");
  await writeFile(path, '{"abi":1,');
  await assert.rejects(
    buildProvider({ entry: "none.ts", manifest: path, out: "none" }),
    /Cannot read the manifest/,
  );
});

test("a manifest over 16 KiB is refused with its size", async () => {
  const path = join(folder, "large.json");
  await writeFile(path, JSON.stringify({ why: "w".repeat(16_384) }));
  await assert.rejects(
    buildProvider({ entry: "none.ts", manifest: path, out: "none" }),
    /it is 16394 bytes, at most 16384 are allowed/,
  );
});

test("a section of any length is read back", () => {
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  for (const length of [0, 1, 126, 127, 128, 16_383, 16_384, 100_000]) {
    const module = new WebAssembly.Module(
      withSection(empty, "kleidi.provider", new Uint8Array(length).fill(7)),
    );
    const [section] = WebAssembly.Module.customSections(module, "kleidi.provider");
    assert.equal(section?.byteLength, length);
  }
});

test("an output is fresh until one of its inputs is newer", async () => {
  const [input, out] = [join(folder, "input"), join(folder, "out")];
  assert.equal(await isFresh(out, []), false);
  await writeFile(input, "");
  await writeFile(out, "");
  const future = new Date(Date.now() + 60_000);
  await utimes(out, future, future);
  assert.equal(await isFresh(out, [input]), true);
  await utimes(input, future, future);
  assert.equal(await isFresh(out, [input]), false);
});
