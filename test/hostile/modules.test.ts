/** Modules with false declarations, unsupported features, or code that is slow to read. None is ever run. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { leb, section, text } from "../support/wasm.ts";
import { Arena, call, REPLY } from "./arena.ts";
import { assemble, manifest, type Row, withManifest, write } from "./guest.ts";

const arena = new Arena();
const CANNOT = 'Cannot load provider "hostile": ';
const UNREADABLE = `${CANNOT}its module cannot be read as WebAssembly: `;

const EXPORTS = `
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_encrypt") (result i32) (call $encrypt))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt))`;
const MEMORY = '(memory (export "memory") 4)';

/** A guest with these fields before and after the honest ones. */
function guest(fields: string, imports = "", memory = MEMORY): Uint8Array {
  return assemble(`(module ${imports}\n;;! honest\n${memory} ${fields} ${EXPORTS})`);
}

const good = guest("");
const PREAMBLE = 8;

/** Where a section's content begins and ends, and its head. */
function find(id: number, bytes = good): { head: number; from: number; to: number } {
  for (let at = PREAMBLE; at < bytes.length; ) {
    const head = at;
    const found = bytes[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if (found === id) return { head, from: at, to: at + size };
    at += size;
  }
  return assert.fail(`there is no section ${id}`);
}

/** The good module with the bytes of a section, including its head, replaced. */
function withSectionOf(id: number, bytes: readonly number[]): Uint8Array {
  const { head, to } = find(id);
  return Buffer.concat([good.subarray(0, head), Uint8Array.from(bytes), good.subarray(to)]);
}

const FUNCTION = 3;
const START = 8;
const CODE = 10;

/** The good module with one more section after its preamble. */
function begun(...bytes: number[]): Uint8Array {
  return Buffer.concat([good.subarray(0, PREAMBLE), Uint8Array.from(bytes), good.subarray(PREAMBLE)]);
}

/** The good module whose first body begins with these bytes (its locals) and continues with those. */
function withBody(body: readonly number[]): Uint8Array {
  const { from, to } = find(CODE);
  let at = from;
  // count and first size have one byte, or two, as the assembler writes them
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = good[at++] as number;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const count = number();
  const size = number();
  const rest = good.subarray(at + size, to);
  const content = [...leb(count), ...leb(body.length)];
  const length = content.length + body.length + rest.length;
  const { head } = find(CODE);
  return Buffer.concat([
    good.subarray(0, head),
    Uint8Array.from([CODE, ...leb(length), ...content]),
    Uint8Array.from(body),
    rest,
    good.subarray(to),
  ]);
}

/** A body of nested empty blocks. */
function nested(blocks: number): Uint8Array {
  const body = Buffer.alloc(1 + 2 * blocks + blocks, 0x0b);
  body.fill(Uint8Array.of(0x02, 0x40), 1, 1 + 2 * blocks);
  body[0] = 0;
  // i32.const 0: the function has a result
  return withBody([...body, 0x41, 0, 0x0b]);
}

const padding = (bytes: number) => {
  const name = text("pad");
  return [Uint8Array.from([0, ...leb(name.length + bytes), ...name]), new Uint8Array(bytes)];
};

const NO_MODULE = "it does not start with the header of a WebAssembly core module (00 61 73 6d 01 00 00 00)";

const READ: [what: string, module: () => Uint8Array, said: string][] = [
  ["no module", () => Buffer.from("#!/bin/sh\n"), NO_MODULE],
  [
    "a component",
    () => Buffer.concat([Buffer.from("0061736d0d000100", "hex"), good.subarray(8)]),
    "it is a WebAssembly component; a provider is a core module: build it for wasm32-unknown-unknown, or extract the core module",
  ],
  [
    "a module of version 2",
    () => Buffer.concat([Buffer.from("0061736d02000000", "hex"), good.subarray(8)]),
    NO_MODULE,
  ],
  [
    "a module that is truncated in its code",
    () => good.subarray(0, find(CODE).from + 40),
    "unexpected end at byte N: 471 bytes are needed, 120 are left",
  ],
  [
    "a section that is longer than the file",
    () => begun(0, 0xff, 0xff, 0xff, 0xff, 0x0f),
    "unexpected end at byte N: 4294967295 bytes are needed, 988 are left",
  ],
  [
    "a section that is longer than its content",
    () => withSectionOf(FUNCTION, [FUNCTION, 3, 1, 0, 0]),
    "the function section at byte N has 3 bytes, but its content ends after 2",
  ],
  [
    "sections out of order",
    () =>
      Buffer.concat([
        good.subarray(0, PREAMBLE),
        good.subarray(find(CODE).head),
        good.subarray(PREAMBLE, find(CODE).head),
      ]),
    "the code section at byte N has 14 bodies, but the module declares 0 functions",
  ],
  [
    "two code sections",
    () => Buffer.concat([good, good.subarray(find(CODE).head, find(CODE).to)]),
    "the code section at byte N is a duplicate",
  ],
  ["an unknown section", () => begun(77, 0), "the section 77 at byte N is unknown"],
  [
    "a claim of 2^32 - 1 functions",
    () => withSectionOf(FUNCTION, section(FUNCTION, 0xff, 0xff, 0xff, 0xff, 0x0f)),
    "the list at byte N declares 4294967295 entries, but only 0 bytes are left",
  ],
  [
    "100,001 functions",
    () => withSectionOf(FUNCTION, section(FUNCTION, ...leb(100_001), ...Array(100_001).fill(0))),
    "the list at byte N has 100001 functions, at most 100000 are allowed",
  ],
  [
    "a claim of 2^32 - 1 locals",
    () => withBody([1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b]),
    "the body at byte N has 4294967295 locals, at most 50000 are allowed",
  ],
  [
    "locals whose sum is over 2^32",
    () => withBody([2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 2, 0x7f, 0x0b]),
    "the body at byte N has 4294967295 locals, at most 50000 are allowed",
  ],
  ["70,000 nested blocks", () => nested(70_000), "more than 65536 blocks are nested at byte N"],
  [
    "a branch table of 2^32 - 1 labels",
    () => withBody([0, 0x41, 0, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b]),
    "the list at byte N declares 4294967295 entries, but only 422 bytes are left",
  ],
  [
    "a number of six bytes",
    () => withSectionOf(FUNCTION, [FUNCTION, 0x81, 0x80, 0x80, 0x80, 0x80, 0x00, 0]),
    "the number before byte N is longer than 5 bytes",
  ],
  [
    "1,001 custom sections",
    () => Buffer.concat([good, ...Array(1001).fill(Uint8Array.of(0, 2, 1, 97))]),
    "more than 1000 custom sections at byte N",
  ],
  [
    "a custom section shorter than its name",
    () => begun(0, 2, 9, 97),
    "unexpected end at byte N: 9 bytes are needed, 1 are left",
  ],
  [
    "a start function with a parameter",
    () =>
      Buffer.concat([
        good.subarray(0, find(CODE).head),
        Uint8Array.from(section(START, 4)),
        good.subarray(find(CODE).head),
      ]),
    "the start function 4 at byte N has parameters or results",
  ],
  [
    "a shared memory",
    () => guest("", "", '(memory (export "memory") 4 4 shared)'),
    "the memory's limits at byte N have the flags 0x03: shared, which belongs to threads, which are not supported. Compile without -pthread and with -mno-atomics",
  ],
  [
    "an imported memory",
    () => guest("", '(import "env" "memory" (memory 1))', ""),
    "the import at byte N is a memory; only functions can be imported",
  ],
  [
    "an imported table",
    () => guest("", '(import "env" "table" (table 1 funcref))'),
    "the import at byte N is a table; only functions can be imported",
  ],
  [
    "an imported global",
    () => guest("", '(import "env" "global" (global i32))'),
    "the import at byte N is a global; only functions can be imported",
  ],
  [
    "two memories",
    () => withSectionOf(5, section(5, 2, 0, 1, 0, 1)),
    "the module has 2 memories at byte N: more than one memory is not supported. Compile with -mno-multimemory",
  ],
  [
    "64-bit memory",
    () => withSectionOf(5, section(5, 1, 4, 1)),
    "the memory's limits at byte N have the flags 0x04: 64-bit addresses are not supported. Compile for wasm32",
  ],
  [
    "catch_all, which would catch the host's exceptions",
    () => guest("(func (try (do (drop (call $alloc (i64.const -1)))) (catch_all)))"),
    "the opcode 0x06 at byte N belongs to exception handling, which guests may not use: a guest could catch errors of the host. Compile with -fno-exceptions",
  ],
  [
    "try_table with catch_all",
    () => withBody([0, 0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x0b, 0x0b, 0x0b]),
    "the opcode 0x1f at byte N belongs to exception handling, which guests may not use: a guest could catch errors of the host. Compile with -fno-exceptions",
  ],
  [
    "throw and its tag",
    () => guest("(tag $tag) (func (throw $tag))"),
    "the tag section at byte N belongs to exception handling, which guests may not use: a guest could catch errors of the host. Compile with -fno-exceptions",
  ],
  [
    "atomic instructions",
    () => withBody([0, 0x41, 0, 0x41, 0, 0xfe, 0x1e, 2, 0, 0x1a, 0x0b]),
    "the opcode 0xfe at byte N belongs to threads, which are not supported. Compile without -pthread and with -mno-atomics",
  ],
  [
    "relaxed SIMD",
    () => withBody([0, 0xfd, 0x80, 0x02, 0x0b]),
    "the opcode 0xfd 0x100 at byte N belongs to relaxed SIMD, which is not supported: its results differ between machines. Compile with -mno-relaxed-simd",
  ],
  [
    "garbage collection",
    () => withBody([0, 0xfb, 0x00, 0, 0x1a, 0x0b]),
    "the opcode 0xfb at byte N belongs to garbage collection or typed function references, which are not supported. Compile without them (-mno-gc)",
  ],
  ["an unknown opcode", () => withBody([0, 0xff, 0x0b]), "the opcode 0xff at byte N is unknown"],
];

describe("a module that is refused when it is read:", () => {
  for (const [what, module, said] of READ) {
    test(what, async () => {
      const path = write("module", withManifest(module(), manifest()));
      const message = `${UNREADABLE}${said}`;
      await arena.refused(() => arena.start(path), { code: "module-invalid", message });
    });
  }
});

const CONTRACT: [what: string, module: () => Uint8Array, said: string][] = [
  [
    "Extism's variables",
    () => guest("", '(import "extism:host/env" "var_get" (func (param i64) (result i64)))'),
    'it imports the function "var_get" from "extism:host/env"; extism:host/env provides only its memory functions',
  ],
  [
    "Extism's configuration",
    () => guest("", '(import "extism:host/env" "config_get" (func (param i64) (result i64)))'),
    'it imports the function "config_get" from "extism:host/env"; extism:host/env provides only its memory functions',
  ],
  [
    "Extism's HTTP client",
    () => guest("", '(import "extism:host/env" "http_request" (func (param i64 i64) (result i64)))'),
    'it imports the function "http_request" from "extism:host/env"; extism:host/env provides only its memory functions',
  ],
  [
    "Extism's own log",
    () => guest("", '(import "extism:host/env" "log_error" (func (param i64)))'),
    'it imports the function "log_error" from "extism:host/env"; extism:host/env provides only its memory functions',
  ],
  [
    "WASI",
    () =>
      guest(
        "",
        '(import "wasi_snapshot_preview1" "sock_send" (func (param i32 i32 i32 i32 i32) (result i32)))',
      ),
    'it imports the function "sock_send" from "wasi_snapshot_preview1"; only extism:host/env and kleidi:* can be imported',
  ],
  [
    "a namespace with a byte order mark",
    () => guest("", '(import "\\ef\\bb\\bfextism:host/env" "alloc" (func (param i64) (result i64)))'),
    'it imports the function "alloc" from "\ufffdextism:host/env"; only extism:host/env and kleidi:* can be imported',
  ],
  [
    "a namespace in capitals",
    () => guest("", '(import "KLEIDI:keystore" "seal" (func (param i64) (result i64)))'),
    'it imports the function "seal" from "KLEIDI:keystore"; only extism:host/env and kleidi:* can be imported',
  ],
  [
    "a name that drives a terminal",
    () => guest("", '(import "\\1b[2J" "\\0aok" (func))'),
    'it imports the function "\ufffdok" from "\ufffd[2J"; only extism:host/env and kleidi:* can be imported',
  ],
  [
    "the same function twice, of different types",
    () =>
      guest(
        "",
        '(import "extism:host/env" "alloc" (func (param i64) (result i64))) (import "extism:host/env" "alloc" (func (param i32) (result i32)))',
      ),
    'it imports the function "alloc" from "extism:host/env" of type (i32) → (i32), expected (i64) → (i64)',
  ],
  [
    "two tables",
    () => guest("(table 1 funcref) (table 1 funcref)"),
    "its module has 2 tables, at most 1 is allowed",
  ],
];

describe("a module that is refused for its imports or definitions:", () => {
  for (const [what, module, said] of CONTRACT) {
    test(what, async () => {
      const path = write("module", withManifest(module(), manifest()));
      await arena.refused(() => arena.start(path), { code: "module-invalid", message: `${CANNOT}${said}` });
    });
  }
});

const SEAL = '(import "kleidi:keystore" "seal" (func $seal (param i64) (result i64)))';
const DROPPED = "(drop (call $seal (i64.const 0)))";
const row = (changes: Partial<Row> = {}): Row => ({
  capability: "keystore",
  operations: ["seal"],
  rpcs: ["encrypt"],
  why: "an attack",
  ...changes,
});
/** Calls the keystore from Encrypt. */
const sealing = () =>
  assemble(`(module ${SEAL}\n;;! honest\n${MEMORY}
    (func (export "kleidi_status") (result i32) (call $status))
    (func (export "kleidi_encrypt") (result i32) ${DROPPED} (call $encrypt))
    (func (export "kleidi_decrypt") (result i32) (call $decrypt)))`);
const plain = manifest();

const MANIFESTS: [what: string, module: () => Uint8Array, said: string][] = [
  ["none", () => good, "its module has no manifest (custom section kleidi.provider)"],
  [
    "two, the same",
    () => withManifest(withManifest(good, plain), plain),
    "its module has 2 manifests, 1 is allowed",
  ],
  [
    "one under a name with a byte order mark",
    () =>
      Buffer.concat([
        good,
        Uint8Array.from(section(0, ...text("\ufeffkleidi.provider"), ...Buffer.from(plain))),
      ]),
    "its module has no manifest (custom section kleidi.provider)",
  ],
  [
    "one that begins with a byte order mark",
    () => withManifest(good, `\ufeff${plain}`),
    "its manifest is not valid JSON",
  ],
  [
    "a key twice",
    () => withManifest(good, plain.replace('"abi":1', '"abi":2,"abi":1')),
    "its manifest has a duplicate key, or is not written as JSON.stringify writes it",
  ],
  [
    "a key twice, once escaped",
    () => withManifest(good, plain.replace('"abi":1', '"\\u0061bi":2,"abi":1')),
    "its manifest has a duplicate key, or is not written as JSON.stringify writes it",
  ],
  [
    "an unknown key",
    () => withManifest(good, plain.replace('"abi":1', '"abi":1,"grants":{}')),
    'its manifest does not follow docs/ABI.md: it: Unrecognized key: "grants"',
  ],
  [
    "__proto__",
    () => withManifest(good, plain.replace('"abi":1', '"abi":1,"__proto__":{"capabilities":[]}')),
    'its manifest does not follow docs/ABI.md: it: Unrecognized key: "__proto__"',
  ],
  [
    "another ABI",
    () => withManifest(good, plain.replace('"abi":1', '"abi":2')),
    "its manifest does not follow docs/ABI.md: abi: should be 1, the version that this host supports: get a build of the module for it",
  ],
  [
    "a name that drives a terminal",
    () => withManifest(good, plain.replace("hostile", "\\u001b[2J")),
    "its manifest does not follow docs/ABI.md: name: should be 1 to 63 of a-z, 0-9 and -, a letter first",
  ],
  [
    "16,385 bytes",
    () => withManifest(good, plain + " ".repeat(16_385 - plain.length)),
    "its manifest is 16385 bytes, at most 16384 are allowed",
  ],
  [
    "a capability in capitals",
    () => withManifest(sealing(), manifest([row({ capability: "Keystore" })])),
    "its manifest does not follow docs/ABI.md: capabilities.0.capability: should be lower-case letters, digits and _",
  ],
  [
    "a capability of JavaScript's prototype",
    () =>
      withManifest(sealing(), manifest([row(), row({ capability: "constructor", operations: ["name"] })])),
    "its manifest requests kleidi:constructor name, which does not exist",
  ],
  [
    "fewer operations than its code calls",
    () => withManifest(sealing(), manifest([])),
    "kleidi_encrypt can reach kleidi:keystore seal, which its manifest does not request in encrypt; add it there",
  ],
  [
    "the operation that its code calls, in another RPC",
    () => withManifest(sealing(), manifest([row({ rpcs: ["decrypt"] })])),
    "its manifest requests kleidi:keystore seal in decrypt, which kleidi_decrypt cannot reach; remove it there; kleidi_encrypt can reach kleidi:keystore seal, which its manifest does not request in encrypt; add it there",
  ],
  [
    "more operations than its code calls",
    () => withManifest(sealing(), manifest([row({ rpcs: ["encrypt", "decrypt"] })])),
    "its manifest requests kleidi:keystore seal in decrypt, which kleidi_decrypt cannot reach; remove it there",
  ],
  [
    "an unknown operation",
    () => withManifest(sealing(), manifest([row({ operations: ["seal", "export_key"] })])),
    "its manifest requests kleidi:keystore export_key, which does not exist",
  ],
];

describe("a module that is refused for its manifest:", () => {
  for (const [what, module, said] of MANIFESTS) {
    test(what, async () => {
      const path = write("module", module());
      const attack = () => arena.start(path, { keys: ["mine"] });
      await arena.refused(attack, { code: "module-invalid", message: `${CANNOT}${said}` });
    });
  }

  const atStart = (what: string) =>
    `${what} can reach kleidi:keystore seal; a module must not make host calls before an export is called; its manifest requests kleidi:keystore seal in encrypt, which kleidi_encrypt cannot reach; remove it there`;
  for (const place of ["the start section", "_initialize", "_start", "hs_init"]) {
    test(`a host call from ${place}, for any requested capabilities`, async () => {
      const [init, what] =
        place === "the start section"
          ? [`(start $init) (func $init ${DROPPED})`, "its start function"]
          : [`(func (export "${place}") ${DROPPED})`, `its export ${place}, which runs in each instance,`];
      const module = withManifest(guest(init, SEAL), manifest([row()]));
      const attack = () => arena.start(write("module", module), { keys: ["mine"] });
      await arena.refused(attack, { code: "module-invalid", message: `${CANNOT}${atStart(what)}` });
    });
  }

  test("a request that the configuration does not grant", async () => {
    const path = write("module", withManifest(sealing(), manifest([row()])));
    await arena.refused(() => arena.start(path), {
      code: "module-ungranted",
      message: [
        `${CANNOT}its module requests capabilities that the configuration does not grant:`,
        '  keystore seal in encrypt: "an attack"',
        "To grant them, add:",
        "providers:",
        "  hostile:",
        "    grants:",
        "      keystore: {}",
      ].join("\n"),
    });
  });
});

test("a module of more than 32 MiB is refused, and one of 31 MiB is served", async () => {
  const whole = (bytes: number) => withManifest(Buffer.concat([good, ...padding(bytes)]), plain);
  const over = whole(32 << 20);
  const path = write("module", over);
  await arena.refused(() => arena.start(path), {
    code: "module-invalid",
    message: `${CANNOT}${path} is ${over.length} bytes, at most 33554432 are allowed; give the path of the file that is meant`,
  });
  const [sandbox] = await Promise.all([arena.start(write("module", whole(31 << 20))), arena.honestWork()]);
  await call(sandbox, "encrypt", 0);
  assert.deepEqual(sandbox.ends, []);
});

test("a module with 60,000 nested blocks is admitted and run", async () => {
  const module = withManifest(nested(60_000), plain);
  const [sandbox] = await Promise.all([arena.start(write("module", module)), arena.honestWork()]);
  // the body replaces the one that reads the request: its reply without fields shows that it ran
  await arena.refused(() => call(sandbox, "encrypt", 0), {
    code: "provider-fault",
    message: `${REPLY}: its ciphertext is empty`,
  });
  assert.deepEqual(sandbox.ends, []);
});

test("a manifest with another provider's name gives the module no rights of that provider", async () => {
  const module = withManifest(sealing(), manifest([row()]).replace('"hostile"', '"honest"'));
  const sandbox = await arena.start(write("module", module), { keys: ["mine"] });
  // the address 0 holds no request; errors use the configuration's name, not the manifest's
  await call(sandbox, "encrypt", 0);
  assert.equal(sandbox.provider.name, "hostile");
  assert.deepEqual(sandbox.denials, []);
});

for (const place of ["first", "last"]) {
  test(`a manifest in the module's ${place} section is the one that the engine sees`, async () => {
    const module =
      place === "last"
        ? withManifest(good, plain)
        : begun(...section(0, ...text("kleidi.provider"), ...Buffer.from(plain)));
    const [seen] = WebAssembly.Module.customSections(
      new WebAssembly.Module(Uint8Array.from(module)),
      "kleidi.provider",
    );
    assert.equal(Buffer.from(seen ?? new ArrayBuffer()).toString(), plain);
    await call(await arena.start(write("module", module)), "encrypt", 0);
  });
}
