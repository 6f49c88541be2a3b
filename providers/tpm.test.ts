/** The TPM provider on a virtual TPM: each RPC, its cost, and recovery after a loss. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";
import { requireDebian } from "../test/support/debian.ts";
import { buildAll } from "./build.ts";
import { Host } from "./tpm/harness/host.ts";
import { Swtpm } from "./tpm/harness/swtpm.ts";

const SEED = new Uint8Array(32).fill(5);
const AAD = new Uint8Array([1, 2, 3]);
const KEK = new Uint8Array(32).map((_, index) => index);
/** The default of limits.hostCalls. */
const HOST_CALLS = 64;
const NOT_OURS = 1;
const KEY_UNUSABLE = 2;
const UNREACHABLE = 3;
const FAULT = 5;

const SCHEMES = ["hmac", "sealed", "hmac pcr=sha256:0,7", "sealed pcr=sha256:0,7"];

let module: WebAssembly.Module;
let tpm: Swtpm;
let host: Host;

before(async () => {
  requireDebian(["swtpm", "tpm2-tools"]);
  const built = (await buildAll()).find(({ name }) => name === "tpm");
  assert.ok(built);
  module = new WebAssembly.Module(await readFile(built.path));
  tpm = await new Swtpm().start();
});

after(() => tpm.remove());

beforeEach(() => {
  host?.flush();
  host = new Host(module, tpm);
});

/** Creates a key and returns its version. */
function make(fields: { key?: string; scheme?: string; import?: Uint8Array } = {}, on = host): string {
  const { version, failure } = on.provision(fields);
  assert.equal(failure, undefined, failure?.message ?? "");
  return version;
}

function seal(version: string, key = "kek", on = host): Uint8Array {
  const reply = on.encrypt({ key, version, plaintext: SEED, associatedData: AAD });
  assert.equal(reply.failure, undefined, reply.failure?.message ?? "");
  return reply.ciphertext;
}

function assertOpens(version: string, ciphertext: Uint8Array, key = "kek", on = host): void {
  const reply = on.decrypt({ key, version, ciphertext, associatedData: AAD });
  assert.equal(reply.failure, undefined, reply.failure?.message ?? "");
  assert.deepEqual(reply.plaintext, SEED);
}

function assertFails(
  reply: { failure?: { code: number; message: string } | undefined },
  code: number,
  text: RegExp,
) {
  assert.match(reply.failure?.message ?? "no failure", text);
  assert.equal(reply.failure?.code, code);
}

for (const scheme of SCHEMES) {
  for (const imported of [false, true]) {
    test(`decrypt returns the seed under ${scheme}, with the KEK ${imported ? "imported" : "generated"}`, () => {
      const version = make({ scheme, ...(imported ? { import: KEK } : {}) });
      assert.match(version, /^[0-9a-f]{32}$/);
      assert.equal(host.handles.size, 0, "provisioning leaves nothing in the TPM");
      assert.ok(host.calls.length < HOST_CALLS, `provisioning made ${host.calls.length} host calls`);
      const ciphertext = seal(version);
      assert.ok(host.calls.length < HOST_CALLS, `a cold Encrypt made ${host.calls.length} host calls`);
      assert.equal(ciphertext.length, 97);
      assert.notDeepEqual(seal(version), ciphertext);
      host.flush();
      assertOpens(version, ciphertext);
      assert.equal(host.status().version, version);
      assert.deepEqual(host.status().olderVersions, []);
    });
  }

  test(`a lost session and a lost key are replaced within the call under ${scheme}`, async () => {
    const version = make({ scheme });
    const ciphertext = seal(version);
    // All objects are gone, and the guest remembers their handles.
    await tpm.stop();
    await tpm.start();
    assertOpens(version, ciphertext);
    assert.ok(host.commands.includes("CreatePrimary"));
    assert.ok(host.calls.length < HOST_CALLS, `it made ${host.calls.length} host calls`);
  });
}

test("a warm Encrypt, Decrypt or Status is one command to the TPM and at most 13 host calls", () => {
  const version = make();
  const ciphertext = seal(version);
  assert.deepEqual(host.commands, [
    "CreatePrimary",
    "StartAuthSession",
    "Load",
    "FlushContext",
    "HMAC",
    "HMAC",
  ]);
  for (const warm of [() => seal(version), () => assertOpens(version, ciphertext), () => host.status()]) {
    warm();
    assert.deepEqual(host.commands, ["HMAC"]);
    assert.ok(host.calls.length <= 13, `it made ${host.calls.length} host calls`);
  }
});

test("one KEK imported into two TPMs has one version, and each TPM opens the other's ciphertexts", async () => {
  const other = await new Swtpm().start();
  try {
    const there = new Host(module, other);
    const version = make({ import: KEK });
    assert.equal(make({ import: KEK }, there), version);
    assertOpens(version, seal(version), "kek", there);
    assertOpens(version, seal(version, "kek", there));
  } finally {
    await other.remove();
  }
});

test("the same bytes imported under two schemes have two versions", () => {
  const versions = ["hmac", "sealed"].map((scheme) => make({ key: scheme, scheme, import: KEK }));
  assert.equal(new Set(versions).size, 2);
});

test("three keys used in turn stay within the quotas and open only their own ciphertexts", () => {
  const keys = ["a", "b", "c"].map((key, index) => ({
    key,
    version: make({ key, scheme: SCHEMES[index] ?? "" }),
  }));
  const sealed = keys.map(({ key, version }) => seal(version, key));
  for (const [index, { key, version }] of keys.entries()) {
    assertOpens(version, sealed[index] ?? new Uint8Array(0), key);
    const foreign = sealed[(index + 1) % 3] ?? new Uint8Array(0);
    assertFails(
      host.decrypt({ key, version, ciphertext: foreign, associatedData: AAD }),
      NOT_OURS,
      /version/,
    );
  }
  assert.ok(host.memory.length > 0 && host.memory.length <= 1024);
});

test("two keys with the longest names fit in the memory, and a longer name is refused", () => {
  for (const letter of ["a", "b"]) {
    const key = letter.repeat(128);
    seal(make({ key, scheme: `hmac pcr=sha384:${[...Array(24).keys()].join(",")}` }), key);
  }
  assert.ok(host.memory.length <= 1024, `the memory is ${host.memory.length} bytes`);
  assertFails(host.status("c".repeat(129)), KEY_UNUSABLE, /128 bytes/);
  assertFails(host.provision({ key: "c".repeat(129) }), KEY_UNUSABLE, /128 bytes/);
});

test("a loaded key whose session is lost gets a new session", async () => {
  const scheme = "hmac pcr=sha256:0";
  const versions = ["a", "b", "c"].map((key) => make({ key, scheme }));
  seal(versions[0] ?? "", "a");
  seal(versions[1] ?? "", "b");
  await tpm.stop();
  await tpm.start();
  seal(versions[2] ?? "", "c");
  assert.equal(host.commands.filter((name) => name === "CreatePrimary").length, 2);
  assert.ok(host.calls.length < HOST_CALLS, `it made ${host.calls.length} host calls`);
  host.flush();
  assert.equal(host.handles.size, 0);
});

test("a session that the TPM has lost, or that is out of step, is replaced within the call", () => {
  const version = make();
  seal(version);
  const memory = Buffer.from(host.memory);
  // Format and presence, the handle, the session key and the nonce with their lengths: spoil the nonce.
  const at = 1 + 1 + 4 + 2 + 32 + 2;
  memory.writeUInt8(memory.readUInt8(at) ^ 1, at);
  host.memory = new Uint8Array(memory);
  seal(version);
  assert.deepEqual(host.commands.slice(0, 4), ["HMAC", "FlushContext", "FlushContext", "CreatePrimary"]);
  seal(version);
  assert.deepEqual(host.commands, ["HMAC"]);
});

/** Response code, failure code, a part of the message. Each ends the call after one command. */
const CODES = [
  [0x921, KEY_UNUSABLE, /0x921: it is in lockout/],
  [0xb0921, KEY_UNUSABLE, /0xb0921: it is in lockout/],
  [0x143, KEY_UNUSABLE, /scheme "sealed"/],
  [0x922, UNREACHABLE, /0x922: it is busy/],
  [0x902, UNREACHABLE, /0x902: it is busy, or its memory is full/],
  [0x101, FAULT, /0x101$/],
  [0x1d5, FAULT, /0x1d5$/],
] as const;

for (const [code, failure, text] of CODES) {
  test(`the TPM's code 0x${code.toString(16)} becomes failure ${failure} without a second try`, () => {
    const version = make();
    seal(version);
    host.meddle = () => failing(code);
    assertFails(host.encrypt({ version, plaintext: SEED }), failure, text);
    assert.deepEqual(host.commands, ["HMAC"]);
    assert.equal(host.handles.size, 0);
    host.meddle = (_, response) => response;
    seal(version);
  });
}

for (const code of [0x910, 0x918, 0x18b, 0x184, 0x98b, 0x98e, 0x9a2, 0x98f, 0xb0910, 0xb018b, 0xb0984]) {
  test(`a command that fails with the TPM's code 0x${code.toString(16)} is retried exactly once`, () => {
    const version = make();
    seal(version);
    let left = 1;
    host.meddle = (name, response) => (name === "HMAC" && left-- > 0 ? failing(code) : response);
    seal(version);
    host.meddle = (name, response) => (name === "HMAC" ? failing(code) : response);
    assert.ok(host.encrypt({ version, plaintext: SEED }).failure);
    assert.equal(host.commands.filter((name) => name === "HMAC").length, 2);
    assert.equal(host.handles.size, 0);
  });
}

test("a TPM with another seed is refused: its primary is not the pinned one", async () => {
  const version = make();
  const other = await new Swtpm().start();
  try {
    const stolen = new Host(module, other);
    stolen.state.set("kek", host.state.get("kek") ?? new Uint8Array(0));
    assertFails(stolen.encrypt({ version, plaintext: SEED }), KEY_UNUSABLE, /another TPM, or it was cleared/);
    assert.deepEqual(stolen.commands, ["CreatePrimary"]);
    assert.equal(stolen.handles.size, 0);
  } finally {
    await other.remove();
  }
});

test("a host without a device is unreachable", () => {
  const version = make();
  host.tpm = undefined;
  assertFails(host.encrypt({ version, plaintext: SEED }), UNREACHABLE, /turn at the TPM/);
  assertFails(host.status(), UNREACHABLE, /turn at the TPM/);
});

test("a key that was never created is unusable, and another loaded key stays loaded", () => {
  const version = make();
  seal(version);
  assertFails(host.status("other"), KEY_UNUSABLE, /no state record/);
  seal(version);
  assert.deepEqual(host.commands, ["HMAC"]);
});

test("a state record with another auth value, version, wrapped key or form is refused", () => {
  make();
  const record = new TextDecoder().decode(host.state.get("kek"));
  const damage = (from: RegExp, to: string) => {
    host.flush();
    assert.match(record, from);
    host.state.set("kek", new TextEncoder().encode(record.replace(from, to)));
    return host.status();
  };
  assertFails(damage(/auth: ....../, "auth: 000000"), KEY_UNUSABLE, /0x98e|0x9a2/);
  assertFails(damage(/version: ....../, "version: 000000"), KEY_UNUSABLE, /not the KEK/);
  assertFails(damage(/.{8}\n-----END/, `AAAAAAAA\n-----END`), KEY_UNUSABLE, /0x1df|damaged/);
  assertFails(damage(/scheme: hmac/, "scheme: other"), KEY_UNUSABLE, /damaged/);
  assertFails(damage(/primary: /, "primary: 0"), KEY_UNUSABLE, /damaged/);
  assertFails(damage(/-----BEGIN/, "-----BEGUN"), KEY_UNUSABLE, /damaged/);
});

test("encrypt uses exactly the requested version", () => {
  const version = make();
  const other = version.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
  for (let times = 0; times < 2; times++) {
    assertFails(host.encrypt({ version: other, plaintext: SEED }), KEY_UNUSABLE, /Cannot use the version/);
  }
  assertFails(
    host.encrypt({ version: "v1", plaintext: SEED }),
    KEY_UNUSABLE,
    /not a version of this provider/,
  );
  assertFails(
    host.encrypt({ version: version.toUpperCase().padStart(33, "A"), plaintext: SEED }),
    KEY_UNUSABLE,
    /./,
  );
  seal(version);
});

test("decrypt refuses a malformed ciphertext without a host call", () => {
  const version = make();
  const ciphertext = seal(version);
  const refuse = (bytes: Uint8Array, text: RegExp, more = {}) => {
    assertFails(host.decrypt({ version, ciphertext: bytes, ...more }), NOT_OURS, text);
    assert.deepEqual(host.calls, []);
  };
  refuse(new Uint8Array(0), /0 bytes, at least 66/);
  refuse(ciphertext.subarray(0, 65), /65 bytes, at least 66/);
  refuse(Uint8Array.of(3, ...ciphertext.subarray(1)), /format is 3/);
  refuse(ciphertext, /annotations/, { annotations: [{ name: "a.example.com" }] });
  refuse(ciphertext, /version/, { version: "00".repeat(16) });
});

test("a ciphertext with any bit changed, or with other associated data, is refused as NOT_OURS", () => {
  const version = make();
  const ciphertext = seal(version);
  for (let at = 0; at < ciphertext.length * 8; at += 5) {
    const changed = ciphertext.slice();
    changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7));
    assertFails(host.decrypt({ version, ciphertext: changed, associatedData: AAD }), NOT_OURS, /Cannot/);
  }
  const other = { version, ciphertext, associatedData: Uint8Array.of(1, 2) };
  assertFails(host.decrypt(other), NOT_OURS, /Cannot open/);
  assertOpens(version, ciphertext);
});

test("provisioning never overwrites a record, and names the reason of a refusal", () => {
  make();
  const record = host.state.get("kek");
  assertFails(host.provision(), KEY_UNUSABLE, /exists already/);
  assert.equal(host.state.get("kek"), record);
  for (const scheme of [
    "rsa",
    "hmac ",
    "hmac pcr=sha256:",
    "hmac pcr=sha256:24",
    "sealed pcr=sha1:0",
    "hmac pcr=sha256:0,",
  ]) {
    assertFails(host.provision({ key: "new", scheme }), KEY_UNUSABLE, /is none of/);
  }
  assertFails(host.provision({ key: "new", import: KEK.subarray(1) }), KEY_UNUSABLE, /32 bytes/);
  assert.deepEqual([...host.state.keys()], ["kek"]);
});

/** A response with a code and nothing else (TPM 2.0 Part 1, clause 18.8). */
function failing(code: number): Uint8Array {
  const response = Buffer.alloc(10);
  response.writeUInt16BE(0x8001, 0);
  response.writeUInt32BE(10, 2);
  response.writeUInt32BE(code, 6);
  return new Uint8Array(response);
}
