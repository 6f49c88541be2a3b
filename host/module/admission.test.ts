import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import wabt from "wabt";
import { newSigner } from "../../test/support/minisign.ts";
import { KleidiError } from "../error.ts";
import type { KnownCapabilities } from "../host-call.ts";
import { type AdmitOptions, admit, examine as examineModule } from "./admission.ts";

const { parseWat } = await wabt();

const KNOWN: KnownCapabilities = new Map([
  ["keystore", { operations: ["info", "seal", "open", "s2k"], alwaysGranted: false }],
  ["state", { operations: ["get", "put"], alwaysGranted: false }],
  ["tpm", { operations: ["enter", "transmit", "leave"], alwaysGranted: false }],
  ["net", { operations: ["request"], alwaysGranted: false }],
  ["log", { operations: ["write"], alwaysGranted: true }],
  ["crypto", { operations: ["random", "digest", "hmac"], alwaysGranted: true }],
]);
const examine = (provider: string, bytes: Uint8Array) => examineModule(provider, bytes, KNOWN);

type Row = { capability: string; operations: string[]; rpcs: string[]; why: string };

const row = (capability: string, operation: string, ...rpcs: string[]): Row => ({
  capability,
  operations: [operation],
  rpcs,
  why: "for a test",
});
const manifest = (...capabilities: Row[]) => ({ abi: 1, name: "local", version: "0.1.0", capabilities });
const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));

const NOTHING = manifest();
const MANIFEST_BYTES = bytesOf(NOTHING);
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

const PARAMS: [string, string][] = [
  ["input_offset input_length error_get", "(func (result i64))"],
  ["alloc length length_unsafe load_u64 input_load_u64", "(func (param i64) (result i64))"],
  ["load_u8 input_load_u8", "(func (param i64) (result i32))"],
  ["free error_set", "(func (param i64))"],
  ["store_u8", "(func (param i64 i32))"],
  ["store_u64 output_set", "(func (param i64 i64))"],
];
const MEMORY_FUNCTIONS = PARAMS.flatMap(([names, type]) =>
  names.split(" ").map((name) => [name, type] as const),
);

function refusalOf(bytes: Uint8Array): KleidiError {
  try {
    examine("p", bytes);
  } catch (error) {
    if (error instanceof KleidiError) return error;
  }
  return assert.fail("it was admitted");
}

test("examine gives the manifest of a module without imports", () => {
  assert.deepEqual(examine("p", module("")).manifest, NOTHING);
});

for (const [name, type] of MEMORY_FUNCTIONS) {
  test(`examine accepts the import ${name} from extism:host/env`, () => {
    assert.deepEqual(examine("p", module(imported("extism:host/env", name, type))).manifest, NOTHING);
  });

  test(`examine refuses the import ${name} from extism:host/env of another type`, () => {
    const wrong = imported("extism:host/env", name, "(func (param f32) (result f32))");
    assert.throws(() => examine("p", module(wrong)), {
      code: "module-invalid",
      message: /of type \(f32\) → \(f32\), it should be \((i32|i64| )*\) → \((i32|i64)?\)$/,
    });
  });
}

const EXTISM = "of Extism there are only the memory functions";
const NAMESPACE = "only extism:host/env and kleidi:* can be imported";
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
];
for (const [namespace, name, said] of IMPORTS) {
  test(`examine refuses the import "${name}" from "${namespace}"`, () => {
    assert.throws(() => examine("p", module(imported(namespace, name))), {
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
  test(`examine refuses the import of ${type}`, () => {
    const exports = `${kind === "memory" ? '(export "memory" (memory 0))' : MEMORY} ${RPCS.join(" ")}`;
    assert.throws(() => examine("p", module(imported("extism:host/env", "alloc", type), exports)), {
      code: "module-invalid",
      message: `Cannot load provider "p": its module cannot be read as WebAssembly: the import at byte 40 is a ${kind}; ${KIND}`,
    });
  });
}

test("examine refuses a bad import behind a good one", () => {
  const imports = imported("extism:host/env", "alloc") + imported("env", "abort");
  assert.throws(() => examine("p", module(imports)), { code: "module-invalid" });
});

for (const name of ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"]) {
  const others = RPCS.filter((rpc) => !rpc.includes(name)).join(" ");
  const message = `Cannot load provider "p": its module does not export the function ${name}`;

  test(`examine refuses a module without ${name}`, () => {
    assert.throws(() => examine("p", module("", `${MEMORY} ${others}`)), {
      code: "module-invalid",
      message,
    });
  });

  test(`examine refuses a module whose ${name} is no function`, () => {
    const exports = `${MEMORY} ${others} (global (export "${name}") i32 (i32.const 0))`;
    assert.throws(() => examine("p", module("", exports)), { code: "module-invalid", message });
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
  test(`examine refuses a module with ${what}`, () => {
    assert.throws(() => examine("p", module("", `${wat} ${RPCS.join(" ")}`)), {
      code: "module-invalid",
      message: NO_MEMORY,
    });
  });
}

test("examine refuses a module without a manifest", () => {
  assert.throws(() => examine("p", module("", undefined, [])), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module has no manifest (custom section kleidi.provider)',
  });
});

test("examine refuses a module with two manifests, even the same", () => {
  assert.throws(() => examine("p", module("", undefined, [MANIFEST_BYTES, MANIFEST_BYTES])), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module has 2 manifests, 1 is allowed',
  });
});

test("examine does not mind other custom sections", () => {
  const bytes = Buffer.concat([module(""), section("kleidi.provider2", Buffer.from("{}"))]);
  assert.deepEqual(examine("p", bytes).manifest, NOTHING);
});

test("examine refuses a bad manifest", () => {
  assert.throws(() => examine("p", module("", undefined, [Buffer.from("{")])), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its manifest is no JSON',
  });
});

test("examine refuses what is no module", () => {
  assert.throws(() => examine("p", Buffer.from("#!/bin/sh\n")), {
    code: "module-invalid",
    message:
      'Cannot load provider "p": its module cannot be read as WebAssembly: it does not begin as a WebAssembly core module does (00 61 73 6d 01 00 00 00)',
  });
});

test("examine refuses a module of 32 MiB and a byte", () => {
  assert.throws(() => examine("p", new Uint8Array((32 << 20) + 1)), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module is 33554433 bytes, at most 33554432 are allowed',
  });
});

test("examine keeps its message short, whatever a module imports", () => {
  const bytes = module(imported("x".repeat(50_000), "y".repeat(50_000)));
  const { message } = refusalOf(bytes);
  assert.ok(message.length < 2000, `${message.length} characters`);
});

test("examine tells of no control characters in what a module imports", () => {
  const bytes = module(imported("\\1b[2Jenv", "a\\0ab\\e2\\80\\ae\\e2\\80\\a8"));
  assert.doesNotMatch(refusalOf(bytes).message, /[\p{C}\p{Zl}\p{Zp}]/u);
});

test("examine refuses a shared memory of the module's own", () => {
  const exports = `(memory (export "memory") 1 1 shared) ${RPCS.join(" ")}`;
  assert.throws(() => examine("p", module("", exports)), { code: "module-invalid" });
});

test("examine of a cut or changed module throws nothing but a KleidiError", () => {
  const whole = withUse(manifest(row("keystore", "seal", "encrypt")), {
    imports: SEAL,
    encrypt: "(drop (call $seal (i64.const 0)))",
  });
  fc.assert(
    fc.property(
      fc.nat(whole.length),
      fc.nat(whole.length - 1),
      fc.integer({ min: 1, max: 255 }),
      (length, at, mask) => {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        try {
          examine("p", bytes.subarray(0, length));
        } catch (error) {
          assert.ok(error instanceof KleidiError && error.code === "module-invalid", String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

// ---- authority: what the manifest requests and what the code can reach ----

const SEAL = '(import "kleidi:keystore" "seal" (func $seal (param i64) (result i64)))';
const CALL_SEAL = "(drop (call $seal (i64.const 0)))";

interface Use {
  readonly imports?: string;
  readonly fields?: string;
  readonly status?: string;
  readonly encrypt?: string;
  readonly decrypt?: string;
}

/** A module whose RPCs do this. */
function withUse(value: unknown, { imports = "", fields = "", ...bodies }: Use): Buffer {
  const rpcs = ["status", "encrypt", "decrypt"].map(
    (rpc) =>
      `(func (export "kleidi_${rpc}") (result i32) ${bodies[rpc as keyof typeof bodies] ?? ""} (i32.const 0))`,
  );
  return module(imports, `${MEMORY} ${fields} ${rpcs.join(" ")}`, [bytesOf(value)]);
}

test("examine says which RPC can reach what", () => {
  const bytes = withUse(manifest(row("keystore", "seal", "encrypt", "decrypt")), {
    imports: SEAL,
    fields: `(func $helper ${CALL_SEAL})`,
    encrypt: "(call $helper)",
    decrypt: CALL_SEAL,
  });
  assert.deepEqual(examine("p", bytes).authority, [
    { rpc: "encrypt", capability: "keystore", operation: "seal" },
    { rpc: "decrypt", capability: "keystore", operation: "seal" },
  ]);
});

const START = "no host call can be made before an export is called";
const FAULTS: [string, unknown, Use, string][] = [
  [
    "a request without a use",
    manifest(row("keystore", "seal", "encrypt", "decrypt")),
    { imports: SEAL, encrypt: CALL_SEAL },
    "its manifest requests kleidi:keystore seal in decrypt, which kleidi_decrypt cannot reach; remove it there",
  ],
  [
    "a request of what the module does not even import",
    manifest(row("keystore", "open", "decrypt")),
    {},
    "its manifest requests kleidi:keystore open in decrypt, which kleidi_decrypt cannot reach; remove it there",
  ],
  [
    "a use without a request",
    manifest(row("keystore", "seal", "encrypt")),
    { imports: SEAL, encrypt: CALL_SEAL, status: CALL_SEAL },
    "kleidi_status can reach kleidi:keystore seal, which its manifest does not request in status; add it there",
  ],
  [
    "a use through a table",
    NOTHING,
    {
      imports: SEAL,
      fields: "(table 1 funcref) (elem (i32.const 0) $seal)",
      decrypt: "(drop (call_indirect (param i64) (result i64) (i64.const 0) (i32.const 0)))",
    },
    "kleidi_decrypt can reach kleidi:keystore seal, which its manifest does not request in decrypt; add it there",
  ],
  [
    "a start function that can reach a capability",
    manifest(row("keystore", "seal", "encrypt")),
    { imports: SEAL, fields: `(func $begin ${CALL_SEAL}) (start $begin)`, encrypt: CALL_SEAL },
    `its start function can reach kleidi:keystore seal; ${START}`,
  ],
  [
    "an export that is run at the start and can reach a capability",
    manifest(row("keystore", "seal", "encrypt")),
    { imports: SEAL, fields: `(func (export "hs_init") ${CALL_SEAL})`, encrypt: CALL_SEAL },
    `its start function can reach kleidi:keystore seal; ${START}`,
  ],
  [
    "a capability that there is not",
    manifest(row("http", "get", "encrypt")),
    {},
    "its manifest requests kleidi:http get, which does not exist",
  ],
  [
    "an operation that there is not",
    manifest(row("keystore", "export", "encrypt")),
    {},
    "its manifest requests kleidi:keystore export, which does not exist",
  ],
  [
    "a capability named like a property of every object",
    manifest(row("constructor", "name", "encrypt")),
    {},
    "its manifest requests kleidi:constructor name, which does not exist",
  ],
];
for (const [what, value, use, fault] of FAULTS) {
  test(`examine refuses ${what}`, () => {
    assert.throws(() => examine("p", withUse(value, use)), {
      code: "module-invalid",
      message: `Cannot load provider "p": ${fault}`,
    });
  });
}

test("examine refuses a host call of another type", () => {
  const imports = '(import "kleidi:keystore" "seal" (func $seal (param i64 i64) (result i64)))';
  assert.throws(() => examine("p", withUse(manifest(row("keystore", "seal", "encrypt")), { imports })), {
    code: "module-invalid",
    message:
      'Cannot load provider "p": it imports the function "seal" from "kleidi:keystore" of type (i64 i64) → (i64), it should be (i64) → (i64)',
  });
});

test("examine refuses an RPC of another type", () => {
  const exports = `${MEMORY} ${RPCS.slice(1).join(" ")} (func (export "kleidi_status") (param i32) (result i32) (i32.const 0))`;
  assert.throws(() => examine("p", module("", exports)), {
    code: "module-invalid",
    message:
      'Cannot load provider "p": it exports the function kleidi_status of type (i32) → (i32), it should be () → (i32)',
  });
});

test("examine refuses a second table", () => {
  const exports = `(table 1 funcref) (table 1 funcref) ${MEMORY} ${RPCS.join(" ")}`;
  assert.throws(() => examine("p", module("", exports)), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module has 2 tables, at most 1 is allowed',
  });
});

// ---- from a file ----

function file(t: TestContext, bytes: Uint8Array) {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "p.wasm");
  writeFileSync(path, bytes);
  return { folder, path, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function optionsOf(path: string, sha256: string, changes: Partial<AdmitOptions> = {}): AdmitOptions {
  return {
    name: "p",
    module: path,
    sha256,
    limits: { memoryBytes: 4 << 20, tableEntries: 100 },
    grants: {},
    known: KNOWN,
    grantLine: (capability) => `${capability}: { names: [x] }`,
    ...changes,
  };
}

/** The maximum of an exported memory or table, as the engine has it after growing all it can. */
function grown(bytes: Uint8Array): { pages: number; entries: number } {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)));
  const { memory, table } = instance.exports as unknown as Record<
    "memory" | "table",
    { grow(by: number): number } | undefined
  >;
  const most = (grow: () => number) => {
    let at = -1;
    try {
      for (;;) at = grow();
    } catch {
      return at;
    }
  };
  return { pages: most(() => memory?.grow(1) ?? -1) + 1, entries: table ? most(() => table.grow(1)) + 1 : 0 };
}

test("admit gives the digest of the file, and its bytes with the limits written in", (t) => {
  const table = '(table (export "table") 1 funcref)';
  const { path, sha256 } = file(t, module("", `${table} ${MEMORY} ${RPCS.join(" ")}`));
  const admitted = admit(optionsOf(path, sha256));
  assert.equal(admitted.sha256, sha256);
  assert.deepEqual(admitted.manifest, NOTHING);
  assert.deepEqual(grown(admitted.bytes), { pages: 64, entries: 100 });
});

test("admit refuses a module that begins with more memory than its limit", (t) => {
  const { path, sha256 } = file(t, module("", `(memory (export "memory") 65) ${RPCS.join(" ")}`));
  assert.throws(() => admit(optionsOf(path, sha256)), {
    code: "module-invalid",
    message:
      /begins with 65 pages of 64 KiB, at most 64 are allowed \(limits\.memory, limits\.tableEntries\)$/,
  });
});

test("admit refuses a module that begins with a larger table than its limit", (t) => {
  const { path, sha256 } = file(t, module("", `(table 101 funcref) ${MEMORY} ${RPCS.join(" ")}`));
  assert.throws(() => admit(optionsOf(path, sha256)), {
    code: "module-invalid",
    message: /begins with 101 entries, at most 100 are allowed/,
  });
});

test("admit refuses what the configuration does not grant, and prints the lines that would", (t) => {
  const bytes = withUse(manifest(row("keystore", "seal", "encrypt")), {
    imports: SEAL,
    encrypt: "(drop (call $seal (i64.const 0)))",
  });
  const { path, sha256 } = file(t, bytes);
  assert.throws(() => admit(optionsOf(path, sha256)), {
    code: "module-ungranted",
    message: [
      'Cannot load provider "p": its module requests what the configuration does not grant:',
      '  keystore seal in encrypt: "for a test"',
      "If it may have that, write:",
      "providers:",
      "  p:",
      "    grants:",
      "      keystore: { names: [x] }",
    ].join("\n"),
  });
  assert.equal(admit(optionsOf(path, sha256, { grants: { keystore: {} } })).sha256, sha256);
  assert.throws(() => admit(optionsOf(path, sha256, { grants: Object.create({ keystore: {} }) })), {
    code: "module-ungranted",
  });
});

test("admit refuses a module with another digest", (t) => {
  const { path, sha256 } = file(t, module(""));
  const pinned = "0".repeat(64);
  assert.throws(() => admit(optionsOf(path, pinned)), {
    code: "digest-differs",
    message: `Cannot load provider "p": the sha256 of ${path} is ${sha256}, the configuration pins ${pinned}`,
  });
});

test("admit says of a bad module with another digest that the digest differs", (t) => {
  const { path } = file(t, Buffer.from("bad"));
  assert.throws(() => admit(optionsOf(path, "0".repeat(64))), { code: "digest-differs" });
});

test("admit refuses a file that is not there", (t) => {
  const path = join(file(t, new Uint8Array()).folder, "missing.wasm");
  assert.throws(() => admit(optionsOf(path, "")), {
    code: "module-invalid",
    message: `Cannot load provider "p": ${path} cannot be read (ENOENT); put the file there, or correct the path`,
  });
});

test("admit refuses a folder", (t) => {
  const path = join(file(t, new Uint8Array()).folder, "folder");
  mkdirSync(path);
  assert.throws(() => admit(optionsOf(path, "")), {
    code: "module-invalid",
    message: `Cannot load provider "p": ${path} is a folder; give the path of the file in it`,
  });
});

test("admit under a policy of trust refuses a module that is pinned and not signed, and says who signed one that is", (t) => {
  const bytes = module("");
  const { path, sha256 } = file(t, bytes);
  const signer = newSigner();
  const trust = { keys: [{ name: "release", key: signer.publicKey }], threshold: 1, revoked: [] };
  assert.throws(() => admit(optionsOf(path, sha256, { trust })), { code: "module-untrusted" });

  const signature = `${path}.minisig`;
  writeFileSync(signature, signer.sign(bytes, { comment: "v1" }));
  assert.deepEqual(admit(optionsOf(path, sha256, { trust, signatures: [signature] })).trusted, {
    threshold: 1,
    signers: [{ name: "release", keyId: signer.keyId, trustedComment: "v1" }],
    ignored: [],
  });
});

test("admit says of a signed module with another digest that the digest differs", (t) => {
  const bytes = module("");
  const { path } = file(t, bytes);
  const signer = newSigner();
  writeFileSync(`${path}.minisig`, signer.sign(bytes));
  const trust = { keys: [{ name: "release", key: signer.publicKey }], threshold: 1, revoked: [] };
  assert.throws(() => admit(optionsOf(path, "0".repeat(64), { trust })), {
    code: "digest-differs",
  });
});

test("a module of 32 MiB is read, and one byte more is not", () => {
  const most = 32 << 20;
  assert.throws(() => examine("p", new Uint8Array(most)), {
    code: "module-invalid",
    message: /^Cannot load provider "p": its module cannot be read as WebAssembly: /,
  });
  assert.throws(() => examine("p", new Uint8Array(most + 1)), {
    code: "module-invalid",
    message: 'Cannot load provider "p": its module is 33554433 bytes, at most 33554432 are allowed',
  });
});
