/** Ways back to a key whose bytes were escrowed: its TPM was cleared or replaced, its PCRs changed, or its record was lost. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const plaintext = new Uint8Array(32).fill(0x5a);
const OTHER_BYTES = `${"ab".repeat(32)}\n`;

type Sealed = Awaited<ReturnType<KmsClient["encrypt"]>>;

/** A key that was created with --escrow, and a ciphertext of it. */
interface Played {
  readonly tpm: Swtpm;
  readonly node: Fixture;
  readonly escrow: string;
  readonly version: string;
  readonly sealed: Sealed;
}

async function play(scheme: string, lose: (played: Played) => Promise<void>): Promise<void> {
  const tpm = await Swtpm.start("unix");
  const node = tpmNode({ device: tpm.device, unseal: true });
  try {
    const escrow = join(node.folder, "kek.hex");
    const made = node.run("key", "init", "--json", "--scheme", scheme, "--escrow", escrow);
    assert.equal(made.status, 0, made.stderr);
    const { version } = JSON.parse(made.stdout);
    const host = await node.serve();
    const client = new KmsClient(node.socket);
    const sealed = await client.encrypt({ plaintext });
    client.close();
    assert.equal(await Fixture.stop(host), 0);
    await lose({ tpm, node, escrow, version, sealed });
  } finally {
    await node.close();
    await tpm.stop();
  }
}

async function assertDecrypts({ node, sealed }: Played): Promise<void> {
  const host = await node.serve();
  const client = new KmsClient(node.socket);
  assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), plaintext);
  const again = await client.encrypt({ plaintext });
  assert.equal(again.keyId, sealed.keyId);
  client.close();
  assert.equal(await Fixture.stop(host), 0);
}

const stateFolder = ({ node }: Played) => join(node.folder, "state");
const recordOf = (played: Played) => readFileSync(join(stateFolder(played), "kek.state"), "utf8");

function importBytes({ node }: Played, file: string, ...more: string[]) {
  const { status, stdout } = node.run("key", "init", "--json", "--import", file, ...more);
  const { code = "", message = "", version = "" } = JSON.parse(stdout);
  return { status, code: String(code), message: String(message), version: String(version) };
}

/** The bytes of another key, or the same bytes under another scheme, give another version: nothing may be replaced. */
function assertOthersRefused(played: Played, otherScheme: string): void {
  const before = recordOf(played);
  const other = join(played.node.folder, "other.hex");
  writeFileSync(other, OTHER_BYTES, { mode: 0o600 });
  const tries = [importBytes(played, other), importBytes(played, played.escrow, "--scheme", otherScheme)];
  for (const { status, code, message } of tries) {
    assert.equal(status, 1);
    assert.equal(code, "key-not-ready");
    assert.match(message, /its record has [0-9a-f]{32}\. The bytes or the scheme differ; nothing was/);
  }
  assert.equal(recordOf(played), before);
}

function assertImports(played: Played, ...more: string[]): void {
  const { status, version, message } = importBytes(played, played.escrow, ...more);
  assert.equal(status, 0, message);
  assert.equal(version, played.version);
  assert.deepEqual(readdirSync(stateFolder(played)).sort(), [".kleidi.lock", "kek.made", "kek.state"]);
}

function assertUnusable({ node }: Played, cause: RegExp): void {
  const { status, stdout } = node.run("check", "--live");
  assert.equal(status, 1, stdout);
  assert.match(stdout, cause);
}

const NOT_PARENT = /this TPM's storage primary is not the parent of the key.*key init --import/;

test("after tpm2_clear the escrowed bytes restore the key, and nothing else replaces its record", async () => {
  await play("hmac", async (played) => {
    await played.tpm.tool("tpm2_clear", "-c", "p");
    assertUnusable(played, NOT_PARENT);
    assertOthersRefused(played, "sealed");
    // A key init that was killed leaves such a folder.
    const killed = join(stateFolder(played), ".kek.import.abcdef");
    mkdirSync(killed, { mode: 0o700 });
    writeFileSync(join(killed, "kek.state"), "");
    assertImports(played);
    await assertDecrypts(played);
  });
});

test("in the TPM of a new board the escrowed bytes restore a sealed key under its recorded scheme", async () => {
  const board = mkdtempSync(join(tmpdir(), "kleidi-board-"));
  await play("sealed", async (played) => {
    await played.tpm.kill();
    await played.tpm.start(board);
    assertUnusable(played, NOT_PARENT);
    assertOthersRefused(played, "hmac");
    assertImports(played);
    assert.match(recordOf(played), /^scheme: sealed$/m);
    await assertDecrypts(played);
  }).finally(() => rmSync(board, { recursive: true }));
});

test("after a change of its PCRs the escrowed bytes restore the key, which depends on the new values", async () => {
  await play("hmac pcr=sha256:0,7", async (played) => {
    writeFileSync(join(played.tpm.folder, "event"), "new firmware");
    await played.tpm.tool("tpm2_pcrevent", "0", "event");
    assertUnusable(played, /the PCRs are not as they were.*key init --import/);
    assertImports(played);
    assert.match(recordOf(played), /^scheme: hmac pcr=sha256:0,7$/m);
    await assertDecrypts(played);
    await played.tpm.tool("tpm2_pcrevent", "7", "event");
    assertUnusable(played, /the PCRs are not as they were/);
  });
});

test("a lost record is restored where the configuration pins the version, and is refused without it", async () => {
  await play("hmac", async (played) => {
    const { node, version, escrow } = played;
    rmSync(join(stateFolder(played), "kek.state"));
    const unknown = importBytes(played, escrow);
    assert.equal(unknown.code, "key-exists");
    assert.match(unknown.message, /its version is not known.*write the version that "key init" printed/);
    const config = JSON.parse(node.readConfig());
    config.keys[0].version = version;
    node.write(JSON.stringify(config));
    assertImports(played);
    await assertDecrypts(played);
    // The whole folder, as on a node that is installed again.
    rmSync(stateFolder(played), { recursive: true });
    mkdirSync(stateFolder(played), { mode: 0o700 });
    const other = join(node.folder, "other.hex");
    writeFileSync(other, OTHER_BYTES, { mode: 0o600 });
    assert.match(importBytes(played, other).message, /the configuration pins [0-9a-f]{32}\. The bytes/);
    assertImports(played);
    await assertDecrypts(played);
  });
});
