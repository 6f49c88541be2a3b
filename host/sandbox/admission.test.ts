import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import wabt from "wabt";
import { KleidiError } from "../error.ts";
import { admit, admitBytes } from "./admission.ts";

const { parseWat } = await wabt();

const MANIFEST = {
  abi: 1,
  name: "local",
  version: "0.1.0",
  capabilities: [
    {
      capability: "keystore",
      operations: ["seal", "open"],
      rpcs: ["encrypt"],
      why: "the KEK stays in the host",
    },
    { capability: "log", operations: ["write"], rpcs: ["status"], why: "faults" },
  ],
};
const MANIFEST_BYTES = Buffer.from(JSON.stringify(MANIFEST));
const MEMORY = '(memory (export "memory") 1)';
const RPCS = ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"].map(
  (name) => `(func (export "${name}") (result i32) (i32.const 0))`,
);

/** A module of these WAT fields with these manifests behind it. */
function module(
  imports: string,
  exports = `${MEMORY} ${RPCS.join(" ")}`,
  manifests = [MANIFEST_BYTES],
): Buffer {
  const parsed = parseWat("test.wat", `(module ${imports} ${exports})`, { threads: true });
  const { buffer } = parsed.toBinary({});
  parsed.destroy();
  return Buffer.concat([buffer, ...manifests.flatMap((bytes) => [section("kleidi.provider", bytes)])]);
}

function section(name: string, bytes: Uint8Array): Buffer {
  const content = Buffer.concat([Uint8Array.of(name.length), Buffer.from(name), bytes]);
  return Buffer.concat([Uint8Array.of(0), leb(content.length), content]);
}

function leb(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 127) | 128);
  }
}

function imported(namespace: string, name: string, type = "(func (param i64) (result i64))"): string {
  return `(import "${namespace}" "${name}" ${type})`;
}

const MEMORY_FUNCTIONS = (
  "alloc free length length_unsafe load_u8 load_u64 store_u8 store_u64 " +
  "input_offset input_length input_load_u8 input_load_u64 output_set error_set error_get"
).split(" ");

function refusalOf(bytes: Uint8Array): KleidiError {
  try {
    admitBytes("p", bytes);
  } catch (error) {
    if (error instanceof KleidiError) return error;
  }
  return assert.fail("it was admitted");
}

test("admitBytes gives the manifest of a module without imports", () => {
  assert.deepEqual(admitBytes("p", module("")), MANIFEST);
});

for (const name of MEMORY_FUNCTIONS) {
  test(`admitBytes accepts the import ${name} from extism:host/env`, () => {
    assert.deepEqual(admitBytes("p", module(imported("extism:host/env", name))), MANIFEST);
  });
}

for (const [capability, name] of [
  ["keystore", "seal"],
  ["keystore", "open"],
  ["log", "write"],
] as const) {
  test(`admitBytes accepts the import ${name} from kleidi:${capability} that the manifest requests`, () => {
    assert.deepEqual(admitBytes("p", module(imported(`kleidi:${capability}`, name))), MANIFEST);
  });
}

const EXTISM = "of Extism there are only the memory functions";
const NAMESPACE = "only extism:host/env and kleidi:* can be imported";
const REQUEST = "which its manifest does not request";
const KIND = "only functions can be imported";
const IMPORTS: [string, string, string][] = [
  ["extism:host/env", "http_request", `; ${EXTISM}`],
  ["extism:host/env", "config_get", `; ${EXTISM}`],
  ["extism:host/env", "var_set", `; ${EXTISM}`],
  ["extism:host/env", "log_info", `; ${EXTISM}`],
  ["extism:host/env", "constructor", `; ${EXTISM}`],
  ["extism:host/env", "", `; ${EXTISM}`],
  ["extism:host/user", "alloc", `; ${NAMESPACE}`],
  ["wasi_snapshot_preview1", "fd_write", `; ${NAMESPACE}`],
  ["env", "abort", `; ${NAMESPACE}`],
  ["", "", `; ${NAMESPACE}`],
  ["kleidi", "seal", `; ${NAMESPACE}`],
  ["Kleidi:keystore", "seal", `; ${NAMESPACE}`],
  ["kleidi:keystore", "info", `, ${REQUEST}`],
  ["kleidi:keystore", "", `, ${REQUEST}`],
  ["kleidi:log", "seal", `, ${REQUEST}`],
  ["kleidi:http", "seal", `, ${REQUEST}`],
  ["kleidi:", "seal", `, ${REQUEST}`],
  ["kleidi:__proto__", "seal", `, ${REQUEST}`],
  ["kleidi:keystore", "constructor", `, ${REQUEST}`],
];
for (const [namespace, name, said] of IMPORTS) {
  test(`admitBytes refuses the import "${name}" from "${namespace}"`, () => {
    assert.throws(() => admitBytes("p", module(imported(namespace, name))), {
      code: "module-invalid",
      message: `Cannot load provider "p": it imports the function "${name}" from "${namespace}"${said}`,
    });
  });
}

const KINDS: [string, string][] = [
  ["memory", "(memory 1)"],
  ["memory", "(memory 1 1 shared)"],
  ["table", "(table 1 funcref)"],
  ["global", "(global i32)"],
];
for (const [kind, type] of KINDS) {
  test(`admitBytes refuses the import of ${type}`, () => {
    const exports = `${kind === "memory" ? '(export "memory" (memory 0))' : MEMORY} ${RPCS.join(" ")}`;
    assert.throws(() => admitBytes("p", module(imported("extism:host/env", "alloc", type), exports)), {
      code: "module-invalid",
      message: `Cannot load provider "p": its module cannot be read as WebAssembly: the import at byte 40 is a ${kind}; ${KIND}`,
    });
  });
}

test("admitBytes refuses a bad import behind a good one", () => {
  const imports = imported("kleidi:keystore", "seal") + imported("env", "abort");
  assert.throws(() => admitBytes("p", module(imports)), { code: "module-invalid" });
});

for (const name of ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"]) {
  const others = RPCS.filter((rpc) => !rpc.includes(name)).join(" ");
  const message = `Cannot load provider "p": its module does not export the function ${name}`;

  test(`admitBytes refuses a module without ${name}`, () => {
    assert.throws(() => admitBytes("p", module("", `${MEMORY} ${others}`)), {
      code: "module-invalid",
      message,
    });
  });

  test(`admitBytes refuses a module whose ${name} is no function`, () => {
    const exports = `${MEMORY} ${others} (global (export "${name}") i32 (i32.const 0))`;
    assert.throws(() => admitBytes("p", module("", exports)), { code: "module-invalid", message });
  });
}

const NO_MEMORY = 'Cannot load provider "p": its module does not export its memory as "memory"';
const MEMORIES: [string, string][] = [
  ["no memory", ""],
  ["a memory that is not exported", "(memory 1)"],
  ["a memory under another name", '(memory (export "mem") 1)'],
  ["a global named memory", '(memory 1) (global (export "memory") i32 (i32.const 0))'],
];
for (const [what, wat] of MEMORIES) {
  test(`admitBytes refuses a module with ${what}`, () => {
    assert.throws(() => admitBytes("p", module("", `${wat} ${RPCS.join(" ")}`)), {
      code: "module-invalid",
      message: NO_MEMORY,
    });
  });
}

test("admitBytes refuses a module without a manifest", () => {
  assert.throws(() => admitBytes("p", module("", undefined, [])), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module has no manifest (custom section kleidi.provider)',
  });
});

test("admitBytes refuses a module with two manifests, even the same", () => {
  assert.throws(() => admitBytes("p", module("", undefined, [MANIFEST_BYTES, MANIFEST_BYTES])), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module has 2 manifests, 1 is allowed',
  });
});

test("admitBytes does not mind other custom sections", () => {
  const bytes = Buffer.concat([module(""), section("kleidi.provider2", Buffer.from("{}"))]);
  assert.deepEqual(admitBytes("p", bytes), MANIFEST);
});

test("admitBytes refuses a bad manifest", () => {
  assert.throws(() => admitBytes("p", module("", undefined, [Buffer.from("{")])), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its manifest is no JSON',
  });
});

test("admitBytes refuses what is no module", () => {
  assert.throws(() => admitBytes("p", Buffer.from("#!/bin/sh\n")), {
    code: "module-invalid",
    message:
      'Cannot load provider "p": its module cannot be read as WebAssembly: it does not begin as a WebAssembly core module does (00 61 73 6d 01 00 00 00)',
  });
});

test("admitBytes refuses a module of 32 MiB and a byte", () => {
  assert.throws(() => admitBytes("p", new Uint8Array((32 << 20) + 1)), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module is 33554433 bytes, at most 33554432 are allowed',
  });
});

test("admitBytes keeps its message short, whatever a module imports", () => {
  const bytes = module(imported("x".repeat(50_000), "y".repeat(50_000)));
  const { message } = refusalOf(bytes);
  assert.ok(message.length < 2000, `${message.length} characters`);
});

test("admitBytes tells of no control characters in what a module imports", () => {
  const bytes = module(imported("\\1b[2Jenv", "a\\0ab"));
  assert.doesNotMatch(refusalOf(bytes).message, /\p{Cc}/u);
});

test("admitBytes refuses a shared memory of the module's own", () => {
  const exports = `(memory (export "memory") 1 1 shared) ${RPCS.join(" ")}`;
  assert.throws(() => admitBytes("p", module("", exports)), { code: "module-invalid" });
});

test("admitBytes of a cut or changed module throws nothing but a KleidiError", () => {
  const whole = module(imported("kleidi:keystore", "seal"));
  fc.assert(
    fc.property(
      fc.nat(whole.length),
      fc.nat(whole.length - 1),
      fc.integer({ min: 1, max: 255 }),
      (length, at, mask) => {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        try {
          admitBytes("p", bytes.subarray(0, length));
        } catch (error) {
          assert.ok(error instanceof KleidiError && error.code === "module-invalid", String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

// ---- from a file ----

function file(t: TestContext, bytes: Uint8Array) {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "p.wasm");
  writeFileSync(path, bytes);
  return { folder, path, sha256: createHash("sha256").update(bytes).digest("hex") };
}

test("admit gives the bytes whose digest it checked", (t) => {
  const bytes = module("");
  const { path, sha256 } = file(t, bytes);
  assert.deepEqual(admit({ name: "p", module: path, sha256 }), { bytes, sha256, manifest: MANIFEST });
});

test("admit refuses a module with another digest", (t) => {
  const { path, sha256 } = file(t, module(""));
  const pinned = "0".repeat(64);
  assert.throws(() => admit({ name: "p", module: path, sha256: pinned }), {
    code: "digest-differs",
    message: `Cannot load provider "p": the sha256 of ${path} is ${sha256}, the configuration pins ${pinned}`,
  });
});

test("admit says of a bad module with another digest that the digest differs", (t) => {
  const { path } = file(t, Buffer.from("bad"));
  assert.throws(() => admit({ name: "p", module: path, sha256: "0".repeat(64) }), { code: "digest-differs" });
});

test("admit refuses a file that is not there", (t) => {
  const path = join(file(t, new Uint8Array()).folder, "missing.wasm");
  assert.throws(() => admit({ name: "p", module: path, sha256: "" }), {
    code: "module-invalid",
    message: `Cannot load provider "p": ${path} cannot be read (ENOENT)`,
  });
});

test("admit refuses a folder", (t) => {
  const path = join(file(t, new Uint8Array()).folder, "folder");
  mkdirSync(path);
  assert.throws(() => admit({ name: "p", module: path, sha256: "" }), {
    code: "module-invalid",
    message: `Cannot load provider "p": ${path} cannot be read (EISDIR)`,
  });
});
