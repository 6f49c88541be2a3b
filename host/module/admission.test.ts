import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import wabt from "wabt";
import { newSigner } from "../../test/support/minisign.ts";
import { assertSentences, thrown } from "../../test/support/thrown.ts";
import { KleidiError } from "../error.ts";
import type { KnownCapabilities } from "../host-call.ts";
import { type AdmitOptions, type AdmittedModule, admit } from "./admission.ts";
import { admissionFaults } from "./admission-faults.ts";
import { examine as examineModule } from "./examine.ts";

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

/** A module of these WAT fields followed by these manifests. */
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

/** The message with which examine refuses a module. */
function refusalOf(bytes: Uint8Array): string {
  return messageOf(() => examine("p", bytes));
}

/** The message of an error with this code. */
function messageOf(call: () => unknown, code = "module-invalid"): string {
  const error = thrown(call);
  assert.ok(error instanceof KleidiError, String(error));
  assert.equal(error.code, code);
  return error.message;
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
      message: /of type \(f32\) → \(f32\), expected \((i32|i64| )*\) → \((i32|i64)?\)$/,
    });
  });
}

const IMPORTS: [string, string][] = [
  ["extism:host/env", "http_request"],
  ["extism:host/env", "config_get"],
  ["extism:host/env", "var_set"],
  ["extism:host/env", "log_info"],
  ["extism:host/env", "constructor"],
  ["extism:host/env", ""],
  ["extism:host/user", "alloc"],
  ["wasi_snapshot_preview1", "fd_write"],
  ["env", "abort"],
  ["", ""],
  ["kleidi", "seal"],
  ["Kleidi:keystore", "seal"],
];
for (const [namespace, name] of IMPORTS) {
  test(`examine refuses the import "${name}" from "${namespace}"`, (t) => {
    const message = refusalOf(module(imported(namespace, name)));
    assert.ok(message.includes(`it imports the function "${name}" from "${namespace}"; `), message);
    assertSentences(t, { message });
  });
}

const KINDS: [string, string][] = [
  ["memory", "(memory 1)"],
  ["memory", "(memory 1 1 shared)"],
  ["table", "(table 1 funcref)"],
  ["global", "(global i32)"],
];
for (const [kind, type] of KINDS) {
  test(`examine refuses the import of ${type}`, (t) => {
    const exports = `${kind === "memory" ? '(export "memory" (memory 0))' : MEMORY} ${RPCS.join(" ")}`;
    const message = refusalOf(module(imported("extism:host/env", "alloc", type), exports));
    assert.ok(message.includes(`the import at byte 40 is a ${kind}; `), message);
    assertSentences(t, { message });
  });
}

test("examine refuses an invalid import after a valid one", () => {
  const imports = imported("extism:host/env", "alloc") + imported("env", "abort");
  assert.throws(() => examine("p", module(imports)), { code: "module-invalid" });
});

for (const name of ["kleidi_status", "kleidi_encrypt", "kleidi_decrypt"]) {
  const others = RPCS.filter((rpc) => !rpc.includes(name)).join(" ");

  test(`examine refuses a module without the function ${name}`, (t) => {
    const absent = refusalOf(module("", `${MEMORY} ${others}`));
    const global = `${MEMORY} ${others} (global (export "${name}") i32 (i32.const 0))`;
    assert.ok(absent.includes(name), absent);
    assert.equal(refusalOf(module("", global)), absent);
    assertSentences(t, { absent });
  });
}

const MEMORIES: [string, string][] = [
  ["no memory", ""],
  ["a memory that is not exported", "(memory 1)"],
  ["a memory under another name", '(memory (export "mem") 1)'],
  ["a global named memory", '(memory 1) (global (export "memory") i32 (i32.const 0))'],
];
for (const [what, wat] of MEMORIES) {
  test(`examine refuses a module with ${what}`, (t) => {
    assertSentences(t, { message: refusalOf(module("", `${wat} ${RPCS.join(" ")}`)) });
  });
}

test("examine refuses a module without a manifest", (t) => {
  assertSentences(t, { message: refusalOf(module("", undefined, [])) });
});

test("examine refuses a module with two manifests, even equal ones", (t) => {
  assertSentences(t, { message: refusalOf(module("", undefined, [MANIFEST_BYTES, MANIFEST_BYTES])) });
});

test("examine accepts other custom sections", () => {
  const bytes = Buffer.concat([module(""), section("kleidi.provider2", Buffer.from("{}"))]);
  assert.deepEqual(examine("p", bytes).manifest, NOTHING);
});

test("examine refuses an invalid manifest", (t) => {
  assertSentences(t, { message: refusalOf(module("", undefined, [Buffer.from("{")])) });
});

test("examine refuses a file that is not a module", (t) => {
  assertSentences(t, { message: refusalOf(Buffer.from("#!/bin/sh\n")) });
});

test("examine refuses a module of 32 MiB and a byte", (t) => {
  const message = refusalOf(new Uint8Array((32 << 20) + 1));
  assert.match(message, /\b33554433\b.*\b33554432\b/);
  assertSentences(t, { message });
});

test("examine keeps its message short, whatever a module imports", () => {
  const bytes = module(imported("x".repeat(50_000), "y".repeat(50_000)));
  const message = refusalOf(bytes);
  assert.ok(message.length < 2000, `${message.length} characters`);
});

test("examine shows no control characters from the names of imports", () => {
  const bytes = module(imported("\\1b[2Jenv", "a\\0ab\\e2\\80\\ae\\e2\\80\\a8"));
  assert.doesNotMatch(refusalOf(bytes), /[\p{C}\p{Zl}\p{Zp}]/u);
});

test("examine refuses a shared memory of the module's own", () => {
  const exports = `(memory (export "memory") 1 1 shared) ${RPCS.join(" ")}`;
  assert.throws(() => examine("p", module("", exports)), { code: "module-invalid" });
});

test("examine throws only KleidiErrors for truncated and changed modules", () => {
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

// ---- authority: the requests of the manifest and the reach of the code ----

const SEAL = '(import "kleidi:keystore" "seal" (func $seal (param i64) (result i64)))';
const CALL_SEAL = "(drop (call $seal (i64.const 0)))";

interface Use {
  readonly imports?: string;
  readonly fields?: string;
  readonly status?: string;
  readonly encrypt?: string;
  readonly decrypt?: string;
}

/** A module whose RPCs have these bodies. */
function withUse(value: unknown, { imports = "", fields = "", ...bodies }: Use): Buffer {
  const rpcs = ["status", "encrypt", "decrypt"].map(
    (rpc) =>
      `(func (export "kleidi_${rpc}") (result i32) ${bodies[rpc as keyof typeof bodies] ?? ""} (i32.const 0))`,
  );
  return module(imports, `${MEMORY} ${fields} ${rpcs.join(" ")}`, [bytesOf(value)]);
}

test("examine lists the operations that each RPC can reach", () => {
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

const FAULTS: [string, unknown, Use][] = [
  [
    "a request without a use",
    manifest(row("keystore", "seal", "encrypt", "decrypt")),
    { imports: SEAL, encrypt: CALL_SEAL },
  ],
  [
    "a request for an operation that the module does not import",
    manifest(row("keystore", "open", "decrypt")),
    {},
  ],
  [
    "a use without a request",
    manifest(row("keystore", "seal", "encrypt")),
    { imports: SEAL, encrypt: CALL_SEAL, status: CALL_SEAL },
  ],
  [
    "a use through a table",
    NOTHING,
    {
      imports: SEAL,
      fields: "(table 1 funcref) (elem (i32.const 0) $seal)",
      decrypt: "(drop (call_indirect (param i64) (result i64) (i64.const 0) (i32.const 0)))",
    },
  ],
  [
    "a start function that can reach a capability",
    manifest(row("keystore", "seal", "encrypt")),
    { imports: SEAL, fields: `(func $begin ${CALL_SEAL}) (start $begin)`, encrypt: CALL_SEAL },
  ],
  [
    "an export that runs at the start and can reach a capability",
    manifest(row("keystore", "seal", "encrypt")),
    { imports: SEAL, fields: `(func (export "hs_init") ${CALL_SEAL})`, encrypt: CALL_SEAL },
  ],
  ["a capability that does not exist", manifest(row("http", "get", "encrypt")), {}],
  ["an operation that does not exist", manifest(row("keystore", "export", "encrypt")), {}],
  ["a capability named like a property of every object", manifest(row("constructor", "name", "encrypt")), {}],
];
for (const [what, value, use] of FAULTS) {
  test(`examine refuses ${what}`, (t) => {
    assertSentences(t, { message: refusalOf(withUse(value, use)) });
  });
}

test("examine refuses a host call of another type", (t) => {
  const imports = '(import "kleidi:keystore" "seal" (func $seal (param i64 i64) (result i64)))';
  const message = refusalOf(withUse(manifest(row("keystore", "seal", "encrypt")), { imports }));
  assertSentences(t, { message });
});

test("examine refuses an RPC of another type", (t) => {
  const exports = `${MEMORY} ${RPCS.slice(1).join(" ")} (func (export "kleidi_status") (param i32) (result i32) (i32.const 0))`;
  assertSentences(t, { message: refusalOf(module("", exports)) });
});

test("examine refuses a second table", (t) => {
  const exports = `(table 1 funcref) (table 1 funcref) ${MEMORY} ${RPCS.join(" ")}`;
  assertSentences(t, { message: refusalOf(module("", exports)) });
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

/** Measures the maximum sizes of the exported memory and table: grows them in the engine until that fails. */
function grown({ bytes, memory: size }: AdmittedModule): { pages: number; entries: number } {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)), {
    host: { memory: new WebAssembly.Memory(size) },
  });
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

test("admit returns the digest of the file, and its bytes with the limits inserted", (t) => {
  const table = '(table (export "table") 1 funcref)';
  const { path, sha256 } = file(t, module("", `${table} ${MEMORY} ${RPCS.join(" ")}`));
  const admitted = admit(optionsOf(path, sha256));
  assert.equal(admitted.sha256, sha256);
  assert.deepEqual(admitted.manifest, NOTHING);
  assert.deepEqual(admitted.imports, [{ module: "host", name: "memory" }]);
  assert.deepEqual(admitted.memory, { initial: 1, maximum: 64 });
  assert.deepEqual(grown(admitted), { pages: 64, entries: 100 });
});

test("admit refuses a module whose initial memory exceeds the limit", (t) => {
  const { path, sha256 } = file(t, module("", `(memory (export "memory") 65) ${RPCS.join(" ")}`));
  const message = messageOf(() => admit(optionsOf(path, sha256)));
  assert.match(message, /\b65 pages of 64 KiB, at most 64 .*\(limits\.memory, limits\.tableEntries\)$/);
  assertSentences(t, { message });
});

test("admit refuses a module whose initial table exceeds the limit", (t) => {
  const { path, sha256 } = file(t, module("", `(table 101 funcref) ${MEMORY} ${RPCS.join(" ")}`));
  const message = messageOf(() => admit(optionsOf(path, sha256)));
  assert.match(message, /\b101 entries, at most 100\b/);
  assertSentences(t, { message });
});

test("admit refuses a request that the configuration does not grant, and prints the lines that would grant it", (t) => {
  const bytes = withUse(manifest(row("keystore", "seal", "encrypt")), {
    imports: SEAL,
    encrypt: "(drop (call $seal (i64.const 0)))",
  });
  const { path, sha256 } = file(t, bytes);
  const message = messageOf(() => admit(optionsOf(path, sha256)), "module-ungranted");
  // the operator copies these lines into the configuration
  assert.match(message, /\nproviders:\n {2}p:\n {4}grants:\n {6}keystore: \{ names: \[x\] \}$/);
  assertSentences(t, { message });
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

test("admit reports a different digest before it parses the module", (t) => {
  const { path } = file(t, Buffer.from("bad"));
  assert.throws(() => admit(optionsOf(path, "0".repeat(64))), { code: "digest-differs" });
});

test("admit refuses a missing file", (t) => {
  const path = join(file(t, new Uint8Array()).folder, "missing.wasm");
  assert.throws(() => admit(optionsOf(path, "")), {
    code: "module-invalid",
    message: /^Cannot load provider "p": \S+missing\.wasm cannot be read \(ENOENT\); /,
  });
});

test("admit refuses a folder", (t) => {
  const path = join(file(t, new Uint8Array()).folder, "folder");
  mkdirSync(path);
  assert.throws(() => admit(optionsOf(path, "")), {
    code: "module-invalid",
    message: /^Cannot load provider "p": \S+folder is a folder; /,
  });
});

test("admit with a trust policy refuses a pinned module without a signature, and returns the signers of a signed one", (t) => {
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

test("admit reports a different digest before it checks signatures", (t) => {
  const bytes = module("");
  const { path } = file(t, bytes);
  const signer = newSigner();
  writeFileSync(`${path}.minisig`, signer.sign(bytes));
  const trust = { keys: [{ name: "release", key: signer.publicKey }], threshold: 1, revoked: [] };
  assert.throws(() => admit(optionsOf(path, "0".repeat(64), { trust })), {
    code: "digest-differs",
  });
});

test("admissionFaults gives the faults of every step at once", (t) => {
  const bytes = withUse(manifest(row("keystore", "seal", "encrypt")), {
    imports: SEAL + imported("env", "abort"),
    status: CALL_SEAL,
    fields: "(table 101 funcref)",
  });
  const { path } = file(t, bytes);
  const trust = { keys: [{ name: "release", key: newSigner().publicKey }], threshold: 1, revoked: [] };
  const options = optionsOf(path, "0".repeat(64), { trust });
  const faults = admissionFaults(options);
  assert.deepEqual(
    faults.map(({ code }) => code),
    [
      "digest-differs",
      "module-untrusted",
      "module-invalid",
      "module-invalid",
      "module-ungranted",
      "module-invalid",
    ],
  );
  const [, , contract, authority, , limits] = faults.map(({ message }) => message);
  assert.match(contract ?? "", /it imports the function "abort" from "env"/);
  assert.match(authority ?? "", /kleidi_status can reach .*; add it there/);
  assert.match(limits ?? "", /\b101 entries, at most 100\b/);
  assert.throws(() => admit(options), { code: "digest-differs" });
});

test("admissionFaults leaves out the steps that need a module, a manifest or an RPC that is not there", (t) => {
  const codes = (bytes: Uint8Array) => {
    const { path, sha256 } = file(t, bytes);
    return admissionFaults(optionsOf(path, sha256)).map(({ code, message }) => [code, message]);
  };
  assert.equal(codes(Buffer.from("bad")).length, 1);
  assert.equal(codes(module("", undefined, [])).length, 1);
  const noStatus = module("", `${MEMORY} ${RPCS.slice(1).join(" ")}`, [
    bytesOf(manifest(row("crypto", "random", "status"))),
  ]);
  assert.equal(codes(noStatus).length, 1);
  assert.deepEqual(codes(module("")), []);
  const missing = join(file(t, new Uint8Array()).folder, "missing.wasm");
  assert.equal(admissionFaults(optionsOf(missing, "")).length, 1);
});

test("examine parses a module of 32 MiB, and refuses one byte more unread", () => {
  const most = 32 << 20;
  const parsed = /^Cannot load provider "p": its module cannot be read as WebAssembly: /;
  assert.match(refusalOf(new Uint8Array(most)), parsed);
  assert.doesNotMatch(refusalOf(new Uint8Array(most + 1)), parsed);
});
