/** Runs the commands of providers/gpg/README.md with the configuration of this folder against a serving host. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../../test/support/debian.ts";
import { Fixture, root } from "../../test/support/fixture.ts";
import { Gpg } from "../../test/support/gpg.ts";

requireDebian(["gnupg"]);

const PAGE = readFileSync(join(root, "providers/gpg/README.md"), "utf8");
const [SET_UP, OPEN, BACK, ...more] = [...PAGE.matchAll(/^```sh\n(.*?)^```$/gms)].map(
  ([, block]) => block ?? "",
);
const fixture = new Fixture();
const gpg = new Gpg();

after(async () => {
  await fixture.close();
  gpg.close();
});

/** Runs a block of the page; stops at the first command that fails. */
function run(block: string | undefined): string {
  const env = { ...process.env, DIR: fixture.folder, GNUPGHOME: gpg.home };
  const { status, stdout, stderr } = spawnSync("sh", ["-e", "-c", block ?? assert.fail("no such block")], {
    cwd: root,
    env,
    encoding: "utf8",
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
  return stdout;
}

const inFolder = (name: string) => join(fixture.folder, name);

test("the page's commands decrypt the host's ciphertext, and the host decrypts theirs", async () => {
  assert.deepEqual(more, []);
  const checked = run(SET_UP);
  assert.match(checked, /keystore s2k in encrypt, decrypt, of passphrases kek-gpg/);
  assert.match(checked, /Status, Encrypt and Decrypt through provider gpg succeeded/);
  assert.match(checked, /keystore info in status, of passphrases kek-gpg/);
  assert.match(fixture.run("key", "list").stdout, /kek-gpg.*active, fingerprint [0-9a-f]{32}/);

  const host = await fixture.serve();
  const client = new KmsClient(fixture.socket);
  try {
    const plaintext = randomBytes(32);
    const { keyId } = await client.status();
    const { ciphertext, annotations, keyId: used } = await client.encrypt({ plaintext });
    assert.equal(used, keyId);
    const message = { ciphertext, keyId, annotations };
    assert.deepEqual(Buffer.from((await client.decrypt(message)).plaintext), plaintext);

    writeFileSync(inFolder("message.gpg"), ciphertext);
    assert.match(run(OPEN), /name="kleidi:[0-9a-f]{32}"/);
    assert.deepEqual(readFileSync(inFolder("seed.bin")), plaintext);

    run(BACK);
    const back = { ...message, ciphertext: readFileSync(inFolder("back.gpg")) };
    assert.deepEqual(Buffer.from((await client.decrypt(back)).plaintext), plaintext);

    const longest = await client.encrypt({ plaintext: new Uint8Array(512) });
    assert.match(PAGE, new RegExp(`at most ${longest.ciphertext.length} bytes for the 512 bytes`));

    const cut = { ...message, ciphertext: ciphertext.subarray(0, -1) };
    await assert.rejects(client.decrypt(cut), { code: 3 });
  } finally {
    client.close();
    assert.equal(await Fixture.stop(host), 0);
  }
});

test("check reports a name that is granted as a key instead of a passphrase", () => {
  const config = readFileSync(fixture.config, "utf8");
  fixture.write(config.replace("passphrases: [", "keys: ["));
  const { status, stdout, stderr } = fixture.run("check");
  fixture.write(config);
  assert.equal(status, 1, stderr);
  assert.match(stdout, /keystore info in status, of keys kek-gpg/);
  assert.match(stdout, /keystore s2k in encrypt, decrypt is requested and not granted/);
  assert.match(stdout, /grants: \{ keystore: \{ passphrases: \[…\] \} \}/);
});
