/** The vault provider with a real OpenBao: the guest in the stand-in, its requests made as the host would make them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { failureOf, Guest, type Server } from "../../providers/vault/harness/guest.ts";
import { OpenBao } from "../support/openbao.ts";
import { bao as program } from "../support/openbao-server.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { SyncHttp } from "../support/sync-http.ts";

const PLAINTEXT = new Uint8Array(32).fill(5);
const AAD = new TextEncoder().encode("kleidi 1");

let bao: OpenBao;
let setup: Setup;
let http: SyncHttp;
let guest: Guest;
/** A server with a token that has the rights of the README's policy, and with one that has all rights. */
let limited: Server;
let root: Server;

before(async () => {
  http = new SyncHttp();
  bao = await OpenBao.dev();
  setup = new Setup(bao);
  guest = await Guest.load("vault");
  runReadme();
  limited = serverWith(await setup.token({ policies: ["kleidi-kek"] }));
  root = serverWith(bao.rootToken);
});

after(async () => {
  await http?.close();
  await bao?.stop();
});

/** Creates the key and the policy with the commands of the README. */
function runReadme(): void {
  const page = readFileSync(join(import.meta.dirname, "../../providers/vault/README.md"), "utf8");
  const all = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  const blocks = (language: string) =>
    all.filter(([, of]) => of === language).map(([, , block = ""]) => block);
  // The second block is the agent's, which test/vault/agent.test.ts runs.
  const [policy, agent, ...others] = blocks("hcl");
  assert.match(agent ?? "", /require_request_header/);
  assert.deepEqual(others, []);
  writeFileSync(join(bao.folder, "kleidi-kek.hcl"), policy ?? "");
  const path = `${dirname(program)}${delimiter}${process.env.PATH}`;
  const env = { PATH: path, HOME: bao.folder, BAO_ADDR: bao.url, BAO_TOKEN: bao.rootToken };
  for (const block of blocks("sh")) execFileSync("sh", ["-ec", block], { cwd: bao.folder, env });
}

/** Sends the guest's request with the credential to the granted origin, like the host. */
function serverWith(token: string): Server {
  return ({ method, path, headers, body }) => {
    const own = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
    const all = { ...own, "x-vault-token": token };
    const response = http.request({ method, url: `${bao.url}${path}`, headers: all, body });
    return {
      ...response,
      headers: Object.entries(response.headers).map(([name, value]) => ({ name, value })),
    };
  };
}

const settings = (all: Record<string, string>) =>
  Object.entries(all).map(([name, value]) => ({ name, value }));
const status = (server = limited, key = "kek", where = {}) =>
  guest.status({ key, settings: settings(where) }, server);
const encrypt = (version: string, server = limited, key = "kek", where = {}) =>
  guest.encrypt(
    { key, version, plaintext: PLAINTEXT, associatedData: AAD, settings: settings(where) },
    server,
  );
const decrypt = (
  version: string,
  ciphertext: Uint8Array,
  { server = limited, key = "kek", aad = AAD, where = {} } = {},
) => guest.decrypt({ key, version, ciphertext, associatedData: aad, settings: settings(where) }, server);

/** A new key of this name, its version, and a ciphertext. */
async function fresh(name: string, options = {}): Promise<{ version: string; ciphertext: Uint8Array }> {
  await setup.key(name, options);
  const { version, failure } = status(root, name);
  assert.equal(failure, undefined);
  const { ciphertext } = encrypt(version, root, name);
  return { version, ciphertext };
}

test("status, encrypt and decrypt work with the README's policy, across a rotation", async () => {
  const first = status();
  assert.deepEqual(failureOf(first), []);
  assert.match(first.version, /^1\.\d{10}\.[0-9a-f]{16}$/);
  const old = encrypt(first.version);
  assert.deepEqual(failureOf(old), []);
  assert.match(new TextDecoder().decode(old.ciphertext), /^vault:v1:/);
  assert.deepEqual(decrypt(first.version, old.ciphertext).plaintext, PLAINTEXT);

  await setup.rotate("kek");
  const second = status();
  assert.match(second.version, /^2\./);
  assert.deepEqual(second.olderVersions, [first.version]);
  // Encrypt uses the version that Status returned, until the host requests the newer one.
  assert.match(new TextDecoder().decode(encrypt(first.version).ciphertext), /^vault:v1:/);
  const { ciphertext } = encrypt(second.version);
  assert.match(new TextDecoder().decode(ciphertext), /^vault:v2:/);
  assert.deepEqual(decrypt(second.version, ciphertext).plaintext, PLAINTEXT);
  assert.deepEqual(decrypt(first.version, old.ciphertext).plaintext, PLAINTEXT);
  assert.equal(decrypt(second.version, old.ciphertext).failure?.code, 1);
});

for (const type of ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305"]) {
  test(`a key of type ${type} binds the associated data, and detects a changed ciphertext`, async () => {
    const { version, ciphertext } = await fresh(`bind-${type}`, { type });
    const key = `bind-${type}`;
    assert.deepEqual(decrypt(version, ciphertext, { server: root, key }).plaintext, PLAINTEXT);
    const other = decrypt(version, ciphertext, { server: root, key, aad: new Uint8Array([1]) });
    const none = decrypt(version, ciphertext, { server: root, key, aad: new Uint8Array(0) });
    const text = new TextDecoder().decode(ciphertext);
    const letter = text[20] === "A" ? "B" : "A";
    const changed = new TextEncoder().encode(`${text.slice(0, 20)}${letter}${text.slice(21)}`);
    const short = new TextEncoder().encode("vault:v1:AAAA");
    for (const reply of [
      other,
      none,
      decrypt(version, changed, { server: root, key }),
      decrypt(version, short, { server: root, key }),
    ]) {
      assert.deepEqual(failureOf(reply), [
        1,
        `Cannot decrypt with the key "transit/keys/${key}": the ciphertext was not made with this key, version and associated data`,
      ]);
    }
  });
}

test("seeds of 1 and of 512 bytes are decrypted", async () => {
  const { version } = await fresh("sizes");
  for (const length of [1, 512]) {
    const plaintext = new Uint8Array(length).fill(length);
    const request = { key: "sizes", version, associatedData: AAD };
    const { ciphertext } = guest.encrypt({ ...request, plaintext }, root);
    assert.deepEqual(guest.decrypt({ ...request, ciphertext }, root).plaintext, plaintext);
  }
});

test("versions below min_encryption_version and min_decryption_version are reported, and Status no longer lists them", async () => {
  const { version, ciphertext } = await fresh("min");
  await setup.rotate("min");
  await setup.configure("min", { min_encryption_version: 2 });
  const [code, said] = failureOf(encrypt(version, root, "min"));
  assert.equal(code, 2);
  assert.match(said ?? "", /version 1 is below the key's min_encryption_version/);
  assert.deepEqual(status(root, "min").olderVersions, [version]);
  await setup.configure("min", { min_decryption_version: 2 });
  const [old, oldSaid] = failureOf(decrypt(version, ciphertext, { server: root, key: "min" }));
  assert.equal(old, 2);
  assert.match(oldSaid ?? "", /version 1 is below the key's min_decryption_version/);
  assert.deepEqual(status(root, "min").olderVersions, []);
});

test("a deleted key is missing, is never created by Encrypt, and has another version when it is recreated", async () => {
  const { version, ciphertext } = await fresh("gone");
  await setup.deleteKey("gone");
  // The default of a server: encryption with a missing key creates it.
  await bao.must("POST", "transit/config/keys", { disable_upsert: false });
  await bao.must("POST", "transit/encrypt/made-by-accident", { plaintext: "" });
  await bao.must("GET", "transit/keys/made-by-accident");
  // root may create keys, so only the guest prevents the creation in Encrypt
  const replies = [
    status(root, "gone"),
    encrypt(version, root, "gone"),
    decrypt(version, ciphertext, { server: root, key: "gone" }),
    status(root, "gone"),
  ];
  for (const reply of replies) {
    const [code, said] = failureOf(reply);
    assert.equal(code, 2);
    assert.match(said ?? "", /there is no such key; restore it from a backup/);
  }
  await bao.must("POST", "transit/config/keys", { disable_upsert: true });
  assert.match(failureOf(encrypt(version, root, "gone"))[1] ?? "", /there is no such key/);
  // Creation times are in seconds.
  await sleep(1100);
  await setup.key("gone");
  const again = status(root, "gone");
  assert.notEqual(again.version, version);
  assert.deepEqual(again.olderVersions, []);
  assert.equal(decrypt(version, ciphertext, { server: root, key: "gone" }).failure?.code, 1);
});

test("with the README's policy, a missing key is a denied permission, and the message says so", async () => {
  await setup.policy("nope", keyRules("nope"));
  const server = serverWith(await setup.token({ policies: ["nope"] }));
  assert.match(failureOf(status(server, "nope"))[1] ?? "", /there is no such key/);
  const { version } = await fresh("there");
  const id = status(root, "there").version;
  assert.equal(id, version);
  const path = { key: "nope" };
  // A version with the right format that no server returned.
  const named = guest.status({ key: "x", settings: settings(path) }, () => description("nope")).version;
  const [code, said] = failureOf(encrypt(named, server, "x", path));
  assert.equal(code, 4);
  assert.match(
    said ?? "",
    /path "transit\/encrypt\/nope" .* the server says so too where the key is missing/,
  );
});

/** A key as described by the server that has it. */
function description(name: string) {
  const key = { name, type: "aes256-gcm96", latest_version: 1, min_decryption_version: 1, keys: { 1: 1 } };
  return { status: 200, body: new TextEncoder().encode(JSON.stringify({ data: key })) };
}

test("a version that no longer exists is reported as a recreated or restored key", async () => {
  const { version } = await fresh("back");
  const later = version.replace("1.", "7.");
  const ciphertext = new TextEncoder().encode(`vault:v7:${Buffer.alloc(60).toString("base64")}`);
  for (const reply of [
    encrypt(later, root, "back"),
    decrypt(later, ciphertext, { server: root, key: "back" }),
  ]) {
    const [code, said] = failureOf(reply);
    assert.equal(code, 2);
    assert.match(
      said ?? "",
      /it has no version 7 now: it was created again, or restored from an older backup/,
    );
  }
});

test("a soft-deleted key is reported as such, and works again when it is restored", async () => {
  const { version, ciphertext } = await fresh("soft");
  await bao.must("DELETE", "transit/keys/soft/soft-delete");
  for (const reply of [
    status(root, "soft"),
    encrypt(version, root, "soft"),
    decrypt(version, ciphertext, { server: root, key: "soft" }),
  ]) {
    const [code, said] = failureOf(reply);
    assert.equal(code, 2);
    assert.match(said ?? "", /soft-deleted; restore it/);
  }
  await bao.must("POST", "transit/keys/soft/soft-delete-restore");
  assert.deepEqual(decrypt(version, ciphertext, { server: root, key: "soft" }).plaintext, PLAINTEXT);
});

test("keys of other types are refused, each with its type", async () => {
  await setup.key("derived", { derived: true });
  await setup.key("convergent", { derived: true, convergent_encryption: true });
  await setup.key("rsa", { type: "rsa-2048" });
  await setup.key("signing", { type: "ed25519" });
  const said = (key: string) => failureOf(status(root, key));
  for (const key of ["derived", "convergent"]) assert.match(said(key)[1] ?? "", /it is derived/);
  assert.match(said("rsa")[1] ?? "", /its type is "rsa-2048"/);
  assert.match(said("signing")[1] ?? "", /its type is "ed25519"/);
  for (const key of ["derived", "convergent", "rsa", "signing"]) assert.equal(said(key)[0], 2);
});

test("a namespace is a prefix of the path, and another mount another path", async () => {
  const team = await setup.namespace("team");
  await team.transit("kms/transit");
  await team.key("inner", {}, "kms/transit");
  await team.policy("inner", keyRules("inner", "kms/transit"));
  const login = await team.appRole({ policies: ["inner"] });
  const server = serverWith(await bao.login(login));
  const where = { key: "inner", mount: "kms/transit", namespace: "team" };
  const { version } = status(server, "kek", where);
  const { ciphertext, failure } = encrypt(version, server, "kek", where);
  assert.equal(failure, undefined);
  assert.deepEqual(decrypt(version, ciphertext, { server, where }).plaintext, PLAINTEXT);
  const [code, said] = failureOf(status(root, "kek", { ...where, mount: "nowhere" }));
  assert.equal(code, 2);
  assert.match(said ?? "", /no Transit engine is mounted there/);
  assert.equal(status(root, "kek", { ...where, namespace: "nobody" }).failure?.code, 2);
  assert.equal(status(root, "kek", { mount: "sys" }).failure?.code, 2);
});

test("a token for another key, a revoked one and a missing one fail with the line that their policy lacks", async () => {
  const { version, ciphertext } = await fresh("other");
  const token = await setup.token({ policies: ["kleidi-kek"] });
  await setup.revoke(token);
  for (const [server, why] of [
    [limited, "the credential's policy lacks"],
    [serverWith(token), "if it is not, its policy lacks"],
    [serverWith(""), "if it is not, its policy lacks"],
  ] as const) {
    const replies = [
      status(server, "other"),
      encrypt(version, server, "other"),
      decrypt(version, ciphertext, { server, key: "other" }),
    ];
    const lines = [
      '"transit/keys/other" { capabilities = ["read"] }',
      '"transit/encrypt/other" {',
      '"transit/decrypt/other" {',
    ];
    for (const [index, reply] of replies.entries()) {
      const [code, said = ""] = failureOf(reply);
      assert.equal(code, 4);
      assert.ok(said.includes(`${why} path ${lines[index]}`), said);
    }
  }
});

test("a rate limit quota is a reason to retry later", async () => {
  const { version, ciphertext } = await fresh("busy");
  await setup.rateLimit("busy", { path: "transit/", rate: 1, interval: "60s" });
  try {
    decrypt(version, ciphertext, { server: root, key: "busy" });
    const [code, said] = failureOf(decrypt(version, ciphertext, { server: root, key: "busy" }));
    assert.equal(code, 3);
    assert.match(said ?? "", /a quota is exceeded \(status 429\); raise it under sys\/quotas/);
  } finally {
    await setup.endRateLimit("busy");
  }
});

test("of a key with 300 versions the newest 256 older ones are listed, and each decrypts its ciphertext", async () => {
  const { version, ciphertext } = await fresh("many");
  for (let i = 1; i < 300; i++) await setup.rotate("many");
  const { version: latest, olderVersions } = status(root, "many");
  assert.match(latest, /^300\./);
  assert.deepEqual(
    olderVersions.map((older) => Number(older.split(".")[0])),
    Array.from({ length: 256 }, (_, i) => 299 - i),
  );
  // It is no longer listed, but the key still has it.
  assert.deepEqual(decrypt(version, ciphertext, { server: root, key: "many" }).plaintext, PLAINTEXT);
});

// The last test: in dev mode the server cannot be unsealed.
test("a sealed server is a reason to retry later, with a remedy", async () => {
  const { version, ciphertext } = await fresh("sealed");
  await bao.seal();
  for (const reply of [
    status(root, "sealed"),
    encrypt(version, root, "sealed"),
    decrypt(version, ciphertext, { server: root, key: "sealed" }),
  ]) {
    const [code, said] = failureOf(reply);
    assert.equal(code, 3);
    assert.match(said ?? "", /the server is sealed; unseal it$/);
  }
});
