/** tpm2-tools and node:crypto verify our claims: they read the record, open our ciphertexts, and cannot extract the key. */
import assert from "node:assert/strict";
import { createDecipheriv, createHmac } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { requireDebian } from "../test/support/debian.ts";
import { buildAll } from "./build.ts";
import { Host } from "./tpm/harness/host.ts";
import { Swtpm } from "./tpm/harness/swtpm.ts";

const SEED = new Uint8Array(32).fill(5);
const AAD = Buffer.from("associated");
const KEK = new Uint8Array(32).map((_, index) => 7 * index + 1);
const KEY_UNUSABLE = 2;
const PRIMARY = ["-C", "o", "-g", "sha256", "-G", "ecc256:aes128cfb"];
const PRIMARY_ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt";

let module: WebAssembly.Module;
let tpm: Swtpm;
let host: Host;

before(async () => {
  requireDebian(["swtpm", "tpm2-tools"]);
  const built = (await buildAll()).find(({ name }) => name === "tpm");
  assert.ok(built);
  module = new WebAssembly.Module(await readFile(built.path));
});

beforeEach(async () => {
  await tpm?.remove();
  tpm = await new Swtpm().start();
  host = new Host(module, tpm);
});

after(() => tpm.remove());

/** Creates a key and a ciphertext, then releases the TPM to the tools. */
async function prepare(
  scheme: string,
  imported?: Uint8Array,
): Promise<{ version: string; ciphertext: Uint8Array }> {
  const made = host.provision({ key: "kek", scheme, ...(imported ? { import: imported } : {}) });
  assert.equal(made.failure, undefined, made.failure?.message ?? "");
  const { version } = made;
  const { ciphertext } = host.encrypt({ version, plaintext: SEED, associatedData: AAD });
  assert.equal(ciphertext.length, 97);
  host.flush();
  await writeFile(join(tpm.folder, "record"), record());
  return { version, ciphertext };
}

function record(): string {
  return Buffer.from(host.state.get("kek") ?? assert.fail()).toString();
}

function field(name: string): string {
  return new RegExp(`^${name}: (.*)$`, "m").exec(record())?.[1] ?? assert.fail();
}

async function tool(name: string, ...options: string[]): Promise<string> {
  const { code, out, err } = await tpm.tool(name, ...options);
  assert.equal(code, 0, `tpm2_${name}: ${err}`);
  return out;
}

/** SP 800-108 in counter mode, as the provider's README describes it. */
function input(scheme: string, ciphertext: Uint8Array): Buffer {
  const label = Buffer.from(`kleidi tpm ${scheme} 1 seed\0`);
  return Buffer.concat([Buffer.of(0, 0, 0, 1), label, ciphertext.subarray(1, 49), Buffer.of(0, 0, 1, 0)]);
}

/** Opens a ciphertext without any of our code. */
function open(key: Uint8Array, ciphertext: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(AAD.length);
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.alloc(12));
  decipher.setAAD(Buffer.concat([ciphertext.subarray(0, 49), length, AAD]));
  decipher.setAuthTag(ciphertext.subarray(-16));
  return Buffer.concat([decipher.update(ciphertext.subarray(49, -16)), decipher.final()]);
}

test("tpm2_load reads the record unchanged, and tpm2_hmac returns the AES key that opens the ciphertext", async () => {
  const { version, ciphertext } = await prepare("hmac");
  await tool("load", "-r", "record", "-c", "key.ctx");
  await writeFile(join(tpm.folder, "input"), input("hmac", ciphertext));
  const auth = `hex:${field("auth")}`;
  const key = await tool("hmac", "-c", "key.ctx", "-p", auth, "-g", "sha256", "--hex", "input");
  assert.deepEqual(open(Buffer.from(key.trim(), "hex"), ciphertext), Buffer.from(SEED));
  const id = Buffer.concat([
    Buffer.of(0, 0, 0, 1),
    Buffer.from("kleidi tpm hmac 1 id\0"),
    Buffer.of(0, 0, 0, 128),
  ]);
  await writeFile(join(tpm.folder, "input"), id);
  const named = await tool("hmac", "-c", "key.ctx", "-p", auth, "-g", "sha256", "--hex", "input");
  assert.equal(named.trim().slice(0, 32), version);
});

test("an imported KEK is the given key material, as node:crypto confirms", async () => {
  for (const scheme of ["hmac", "sealed"]) {
    host = new Host(module, tpm);
    const { ciphertext } = await prepare(scheme, KEK);
    const key = createHmac("sha256", KEK).update(input(scheme, ciphertext)).digest();
    assert.deepEqual(open(key, ciphertext), Buffer.from(SEED));
    assert.equal(ciphertext[0], scheme === "hmac" ? 1 : 2);
  }
});

for (const imported of [undefined, KEK]) {
  const kind = imported === undefined ? "a generated" : "an imported";

  test(`${kind} KEK cannot leave the TPM: its attributes forbid it, and unseal and duplicate fail`, async () => {
    await prepare("hmac", imported);
    await tool("load", "-r", "record", "-c", "key.ctx");
    const shown = await tool("readpublic", "-c", "key.ctx");
    const origin = imported === undefined ? "sensitivedataorigin|" : "";
    assert.match(
      shown,
      new RegExp(`value: fixedtpm\\|fixedparent\\|${origin.replace("|", "\\|")}userwithauth\\|noda\\|sign\n`),
    );
    const auth = `hex:${field("auth")}`;
    const unsealed = await tpm.tool("unseal", "-c", "key.ctx", "-p", auth);
    assert.notEqual(unsealed.code, 0);
    assert.match(unsealed.err, /0x182/i);
    await tool("createprimary", ...PRIMARY, "-a", PRIMARY_ATTRIBUTES, "-c", "primary.ctx");
    await tool("startauthsession", "--policy-session", "-S", "session.ctx");
    await tool("policycommandcode", "-S", "session.ctx", "TPM2_CC_Duplicate");
    const session = "session:session.ctx";
    const to = ["-C", "primary.ctx", "-c", "key.ctx", "-G", "null", "-p", session, "-r", "dup", "-s", "seed"];
    const duplicated = await tpm.tool("duplicate", ...to);
    assert.notEqual(duplicated.code, 0);
    assert.match(duplicated.err, /0x99d/i);
  });
}

test("a sealed KEK needs its auth value", async () => {
  await prepare("sealed", KEK);
  await tool("load", "-r", "record", "-c", "key.ctx");
  assert.match((await tpm.tool("unseal", "-c", "key.ctx")).err, /0x9a2/i);
  const shown = await tool("unseal", "-c", "key.ctx", "-p", `hex:${field("auth")}`, "-o", "kek");
  assert.equal(shown, "");
  assert.deepEqual(await readFile(join(tpm.folder, "kek")), Buffer.from(KEK));
});

test("the pinned primary equals the one that tpm2_createprimary creates from the same template", async () => {
  await prepare("hmac");
  await tool("createprimary", ...PRIMARY, "-a", PRIMARY_ATTRIBUTES, "-c", "primary.ctx");
  await tool("readpublic", "-c", "primary.ctx", "-n", "name");
  assert.equal((await readFile(join(tpm.folder, "name"))).toString("hex"), field("primary"));
});

test("after tpm2_clear decrypt fails permanently with the reason, with and without a loaded key", async () => {
  const { version, ciphertext } = await prepare("hmac");
  const request = { version, ciphertext, associatedData: AAD };
  assert.deepEqual(host.decrypt(request).plaintext, SEED);
  await tool("clear", "-c", "p");
  for (let times = 0; times < 2; times++) {
    const { failure } = host.decrypt(request);
    assert.equal(failure?.code, KEY_UNUSABLE, failure?.message ?? "");
    assert.match(failure?.message ?? "", /another TPM, or it was cleared/);
  }
});

test("decrypt works after a restart, and a stopped host leaves nothing in the TPM", async () => {
  const { version, ciphertext } = await prepare("hmac");
  await tpm.stop();
  await tpm.start();
  assert.deepEqual(host.decrypt({ version, ciphertext, associatedData: AAD }).plaintext, SEED);
  host.flush();
  for (const kind of ["handles-transient", "handles-loaded-session", "handles-saved-session"]) {
    assert.equal((await tool("getcap", kind)).trim(), "");
  }
});

test("a key with a policy works until one of its PCRs changes, and ignores other PCRs", async () => {
  const { version, ciphertext } = await prepare("hmac pcr=sha256:0,23");
  const request = { version, ciphertext, associatedData: AAD };
  const extend = (pcr: number) => tool("pcrextend", `${pcr}:sha256=${"11".repeat(32)}`);
  await extend(7);
  assert.deepEqual(host.decrypt(request).plaintext, SEED);
  await tool("load", "-r", "record", "-c", "key.ctx");
  await writeFile(join(tpm.folder, "input"), input("hmac", ciphertext));
  const auth = `hex:${field("auth")}`;
  const alone = await tpm.tool("hmac", "-c", "key.ctx", "-p", auth, "-g", "sha256", "input");
  assert.notEqual(alone.code, 0, "the auth value alone is not enough");
  await extend(23);
  const { failure } = host.decrypt(request);
  assert.equal(failure?.code, KEY_UNUSABLE, failure?.message ?? "");
  assert.match(failure?.message ?? "", /PCRs are not as they were/);
  await tool("pcrreset", "23");
  assert.deepEqual(host.decrypt(request).plaintext, SEED);
});

test("the message names the password of the owner hierarchy as the reason", async () => {
  await tool("changeauth", "-c", "owner", "secret");
  const { failure } = host.provision({ key: "kek" });
  assert.equal(failure?.code, KEY_UNUSABLE);
  assert.match(failure?.message ?? "", /owner hierarchy has a password/);
});
