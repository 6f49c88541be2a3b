/** kleidi provider build: raw modules, the rows of the manifest, folders, and input that cannot be built. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, test } from "node:test";
import { KNOWN } from "../../host/capabilities/registry.ts";
import { KleidiError } from "../../host/error.ts";
import { inspect } from "../../host/inspect/report.ts";
import { BuildPathError, buildProvider } from "../../host/provider/build.ts";
import { kleidi, root } from "../support/fixture.ts";
import { wasm } from "../support/wasm.ts";

const base = mkdtempSync(join(tmpdir(), "kleidi-build-test-"));
after(() => rmSync(base, { recursive: true }));
let folder: string;
let raw: string;
beforeEach(() => {
  folder = mkdtempSync(join(base, "case-"));
  raw = join(folder, "raw.wasm");
});

const MANIFEST = { abi: 1, name: "mine", version: "0.1.0" };
const SEAL = `(import "kleidi:keystore" "seal" (func $seal (param i64) (result i64)))`;
const EXPORTS = (status: string, encrypt: string) => `(memory (export "memory") 1)
  (func (export "kleidi_status") (result i32) ${status}) (func (export "kleidi_encrypt") (result i32) ${encrypt})
  (func (export "kleidi_decrypt") (result i32) i32.const 0)`;
const CALLS_SEAL = `(module ${SEAL} ${EXPORTS("i32.const 0", "(drop (call $seal (i64.const 0))) i32.const 0")})`;

function write(manifest: object | undefined, module: Uint8Array | string): void {
  if (manifest !== undefined) writeFileSync(join(folder, "provider.json"), JSON.stringify(manifest));
  writeFileSync(raw, typeof module === "string" ? wasm(module) : module);
}
const rowsInFile = () => JSON.parse(readFileSync(join(folder, "provider.json"), "utf8")).capabilities;
const build = (changes: Partial<Parameters<typeof buildProvider>[0]> = {}) =>
  buildProvider({ path: raw, fix: false, dev: false, known: KNOWN, ...changes });
const run = (...args: string[]) =>
  spawnSync(kleidi, ["provider", ...args], { encoding: "utf8", cwd: folder });

function refused(code: string, message: RegExp, changes: Parameters<typeof build>[0] = {}): void {
  assert.throws(
    () => build(changes),
    (error) => {
      assert.ok(error instanceof KleidiError, String(error));
      assert.equal(error.fault, code);
      assert.match(error.message, message);
      return true;
    },
  );
  const modules = readdirSync(folder).filter((name) => name.endsWith(".wasm"));
  assert.deepEqual(
    modules.filter((name) => name !== "raw.wasm"),
    [],
  );
}

describe("rows", () => {
  const row = (why: string, rpcs = ["encrypt"], operations = ["seal"]) => ({
    capability: "keystore",
    operations,
    rpcs,
    why,
  });

  test("a module whose rows are those of the code is built, and admission accepts it", () => {
    write({ ...MANIFEST, capabilities: [row("seals the seed")] }, CALLS_SEAL);
    const { out, size, sha256 } = build();
    assert.equal(out, join(folder, "mine.wasm"));
    const bytes = readFileSync(out);
    assert.equal(bytes.length, size);
    const limits = { memoryBytes: 16 << 20, tableEntries: 16_384 };
    const report = inspect({ path: out, bytes, size, sha256 }, { known: KNOWN, limits, signatures: [] });
    assert.notEqual(report.verdict, "refuse");
    assert.deepEqual(report.manifest, { ...MANIFEST, capabilities: [row("seals the seed")] });
  });

  test("a missing row and one too many are named, and nothing is written", () => {
    write({ ...MANIFEST, capabilities: [row("x", ["status"], ["info"])] }, CALLS_SEAL);
    refused("provider-build/rows", /^ {2}- keystore info in status\n {2}\+ keystore seal in encrypt$/m);
    assert.equal(rowsInFile().length, 1);
  });

  test("--fix writes the rows with an open reason, and refuses to build until it is written", () => {
    write(MANIFEST, CALLS_SEAL);
    refused("provider-build/why", /1 rows without a reason.*\n {2}keystore seal in encrypt$/, { fix: true });
    assert.deepEqual(rowsInFile(), [row("")]);
    refused("provider-build/why", /keystore seal in encrypt/);
    writeFileSync(
      join(folder, "provider.json"),
      JSON.stringify({ ...MANIFEST, capabilities: [row("seals the seed")] }),
    );
    assert.deepEqual(build().manifest.capabilities, [row("seals the seed")]);
  });

  test("--fix keeps the reasons of the calls that stay", () => {
    const both = row("seals", ["status", "encrypt", "decrypt"], ["seal", "open"]);
    write({ ...MANIFEST, capabilities: [both] }, CALLS_SEAL);
    assert.deepEqual(build({ fix: true }).manifest.capabilities, [row("seals")]);
    assert.deepEqual(rowsInFile(), [row("seals")]);
  });

  test("an operation that no host has is named", () => {
    write(MANIFEST, CALLS_SEAL.replace('"seal"', '"explode"'));
    refused("provider-build/link", /imports kleidi:keystore explode, which does not exist/, { fix: true });
  });
});

describe("the manifest", () => {
  const full = { ...MANIFEST, capabilities: [] };
  const plain = `(module ${EXPORTS("i32.const 0", "i32.const 0")})`;

  test("is the module's own where there is no provider.json", () => {
    const text = new TextEncoder().encode(JSON.stringify(full));
    const name = new TextEncoder().encode("kleidi.provider");
    const section = [0, name.length + 1 + text.length, name.length, ...name, ...text];
    write(undefined, Uint8Array.from([...wasm(plain), ...section]));
    assert.deepEqual(build().manifest, full);
  });

  const FAULTS: readonly (readonly [string, object | string | undefined, RegExp])[] = [
    ["missing", undefined, /has no manifest .*provider\.json does not exist/],
    ["not JSON", "{", /not valid JSON/],
    ["a list", "[]", /not a JSON object/],
    ["of another ABI", { ...full, abi: 2 }, /abi: should be 1/],
    ["without a name", { abi: 1, version: "1" }, /name:/],
    ["named like a path", { ...full, name: "../x" }, /name: should be/],
  ];
  for (const [name, manifest, message] of FAULTS) {
    test(`that is ${name} is refused`, () => {
      write(undefined, plain);
      if (manifest !== undefined)
        writeFileSync(
          join(folder, "provider.json"),
          typeof manifest === "string" ? manifest : JSON.stringify(manifest),
        );
      refused("provider-build/manifest", message);
    });
  }

  test("is not read through a link", () => {
    write(undefined, plain);
    writeFileSync(join(base, "outside.json"), JSON.stringify(full));
    symlinkSync(join(base, "outside.json"), join(folder, "provider.json"));
    refused("provider-build/manifest", /is a link, which is not followed/);
  });

  test("the module replaces a link at its place, and not the file behind it", () => {
    write(full, plain);
    const outside = join(base, "kept");
    writeFileSync(outside, "kept");
    symlinkSync(outside, join(folder, "mine.wasm"));
    build();
    assert.equal(readFileSync(outside, "utf8"), "kept");
    assert.deepEqual(readFileSync(join(folder, "mine.wasm")).subarray(0, 4), Buffer.from("\0asm"));
  });

  test("a raw module at the place of the result is not replaced", () => {
    write(full, plain);
    assert.throws(() => build({ out: raw }), BuildPathError);
  });
});

describe("raw modules that are refused", () => {
  const full = { ...MANIFEST, capabilities: [] };
  const part = (text: string) => `(module ${text} ${EXPORTS("i32.const 0", "i32.const 0")})`;
  const REFUSED: readonly (readonly [string, string, RegExp, Uint8Array | string])[] = [
    ["text", "module-invalid/contract", /does not start with the header/, new TextEncoder().encode("hello")],
    ["an empty file", "module-invalid/contract", /does not start with the header/, new Uint8Array()],
    [
      "a component",
      "module-invalid/contract",
      /is a WebAssembly component; a provider is a core module/,
      Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0),
    ],
    ["a cut module", "module-invalid/contract", /byte \d+/, wasm(part("")).slice(0, -3)],
    [
      "an unknown import",
      "module-invalid/contract",
      /imports the function "system" from "env"/,
      part(`(import "env" "system" (func))`),
    ],
    [
      "a memory function of another type",
      "module-invalid/contract",
      /"alloc" .* of type \(\) → \(\), expected \(i64\) → \(i64\)/,
      part(`(import "extism:host/env" "alloc" (func))`),
    ],
    [
      "no exports",
      "module-invalid/contract",
      /does not export the function kleidi_status.*kleidi_decrypt.*memory/,
      "(module)",
    ],
    [
      "a start function that makes a host call",
      "module-invalid/contract",
      /start function can reach kleidi:log write/,
      part(
        `(import "kleidi:log" "write" (func $log (param i64) (result i64))) (start $s) (func $s (drop (call $log (i64.const 0))))`,
      ),
    ],
    [
      "a program",
      "provider-build/link",
      /exports _start, so it is a program/,
      part(`(func (export "_start"))`),
    ],
  ];
  for (const [name, code, message, module] of REFUSED) {
    test(name, () => {
      write(full, module);
      refused(code, message);
    });
  }

  test("a start function without host calls is kept", () => {
    write(full, part("(start $s) (func $s)"));
    assert.notEqual(build().module.start, undefined);
  });

  test("a file of more than 32 MiB is not read", () => {
    write(full, new Uint8Array());
    truncateSync(raw, (32 << 20) + 1);
    assert.throws(() => build(), /is 33554433 bytes, at most 33554432 are allowed/);
  });

  test("a file of 32 MiB that is no module", () => {
    write(full, new Uint8Array());
    truncateSync(raw, 32 << 20);
    refused("module-invalid/contract", /does not start with the header/);
  });
});

describe("folders", () => {
  test("a folder without source, and one with two languages", () => {
    assert.throws(
      () => build({ path: folder }),
      /has no source of a provider: expected one of assembly\/index\.ts/,
    );
    writeFileSync(join(folder, "a.c"), "");
    writeFileSync(join(folder, "go.mod"), "");
    assert.throws(() => build({ path: folder }), /several languages: \*\.c \(c\), go\.mod \(go\)/);
  });

  test("a source that is a link is no source", () => {
    writeFileSync(join(base, "outside.c"), "");
    symlinkSync(join(base, "outside.c"), join(folder, "a.c"));
    assert.throws(() => build({ path: folder }), BuildPathError);
  });

  const COMPILERS: readonly (readonly [string, string, RegExp])[] = [
    ["a.c", "", /clang is not installed; install Debian's clang and lld/],
    ["go.mod", "", /go is not installed; install Go 1\.24 or later/],
    ["src/main.zig", "", /zig is not installed; install Zig/],
  ];
  for (const [file, content, message] of COMPILERS) {
    test(`${file} without its compiler names what to install`, (t) => {
      mkdirSync(join(folder, "src"));
      writeFileSync(join(folder, file), content);
      const path = process.env.PATH;
      t.after(() => {
        process.env.PATH = path;
      });
      process.env.PATH = folder;
      refused("provider-build/compiler", message, { path: folder });
    });
  }

  test("AssemblyScript: the example of the SDK is built, and an error of the compiler is shown with its line", () => {
    cpSync(join(root, "examples/first-provider"), folder, { recursive: true });
    const source = join(folder, "assembly/index.ts");
    cpSync(join(root, "sdk/assemblyscript/assembly"), join(folder, "assembly/kleidi"), { recursive: true });
    const code = readFileSync(source, "utf8").replaceAll("../../../sdk/assemblyscript/assembly", "./kleidi");
    writeFileSync(source, code);
    const { language, linked, out } = build({ path: folder });
    assert.deepEqual([language, linked.stubs], ["assemblyscript", []]);
    assert.equal(existsSync(out), true);
    rmSync(out);
    writeFileSync(source, `${code}\nconst x: i32 = nothing;\n`);
    refused("provider-build/compile", /Cannot find name 'nothing'(?:.|\n)*assembly\/index\.ts\(\d+,16\)/, {
      path: folder,
    });
  });
});

describe("the command", () => {
  test("prints the digest and the configuration; --json has the same", () => {
    write(MANIFEST, `(module ${EXPORTS("i32.const 0", "i32.const 0")})`);
    const { status, stdout, stderr } = run("build", "raw.wasm", "--json");
    assert.deepEqual([status, stderr], [0, ""]);
    const { ok, sha256, configuration } = JSON.parse(stdout);
    assert.deepEqual(
      [ok, configuration],
      [true, `providers:\n  mine:\n    module: mine.wasm\n    sha256: ${sha256}\n`],
    );
  });

  test("has exit code 1 for a refused module, and 2 for a path that is not there", () => {
    write(MANIFEST, "(module)");
    assert.equal(run("build", "raw.wasm").status, 1);
    const missing = run("build", "nothing.wasm");
    assert.deepEqual([missing.status, missing.stdout], [2, ""]);
    assert.match(missing.stderr, /^error: Cannot build nothing\.wasm: it cannot be read \(ENOENT\)/);
  });
});
