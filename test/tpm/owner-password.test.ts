/** A TPM whose owner hierarchy has a password: a persistent storage key is the parent of keys, for the host that is granted it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import type { Swtpm } from "../support/swtpm.ts";
import { withTpm } from "../support/tpm-node.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const plaintext = new Uint8Array(32).fill(0x5a);
const HANDLE = "0x81000001";
/** As providers/tpm/README.md shows it. */
const ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt";

async function takeOwnership(tpm: Swtpm): Promise<void> {
  await tpm.tool("tpm2_changeauth", "-c", "owner", "secret");
}

async function persist(tpm: Swtpm, algorithm = "ecc256:aes128cfb"): Promise<void> {
  const primary = ["-C", "o", "-P", "secret", "-g", "sha256", "-G", algorithm, "-c", "srk.ctx"];
  await tpm.tool("tpm2_createprimary", ...primary, "-a", ATTRIBUTES);
  await tpm.tool("tpm2_evictcontrol", "-C", "o", "-P", "secret", "-c", "srk.ctx", HANDLE);
  await tpm.tool("tpm2_flushcontext", "-t");
}

function configure(node: Fixture, persistent: readonly string[], settings: Record<string, string>): void {
  const config = JSON.parse(node.readConfig());
  config.providers.tpm.grants.tpm.persistent = persistent;
  config.keys[0].settings = settings;
  node.write(JSON.stringify(config));
}

async function sealOrOpen(node: Fixture, sealed?: Awaited<ReturnType<KmsClient["encrypt"]>>) {
  const host = await node.serve();
  const client = new KmsClient(node.socket);
  const made = sealed ?? (await client.encrypt({ plaintext }));
  assert.deepEqual(new Uint8Array((await client.decrypt(made)).plaintext), plaintext);
  client.close();
  assert.equal(await Fixture.stop(host), 0);
  return made;
}

test("a key that existed before the password is served again under the persistent storage key of the same template", async () => {
  await withTpm(async (tpm, node) => {
    assert.equal(node.run("key", "init").status, 0);
    const sealed = await sealOrOpen(node);
    await takeOwnership(tpm);
    assert.match(
      node.run("check", "--live").stdout,
      /FAIL live kek: .*\n.*the owner hierarchy has a password/,
    );
    assert.match(
      node.run("doctor").stdout,
      /FAIL TPM .* hierarchy owner: .*\n.*Grant a persistent storage key/,
    );
    await persist(tpm);
    configure(node, [HANDLE], { parent: HANDLE });
    await sealOrOpen(node, sealed);
    const doctor = node.run("doctor");
    assert.equal(doctor.status, 0, doctor.stdout);
    assert.match(
      doctor.stdout,
      /ok {3}TPM .* hierarchy owner: it has a password .* need a granted persistent/,
    );
    assert.match(doctor.stdout, /ok {3}tpm tpm key kek: version/);
    assert.equal(await tpm.loaded(), "");
    assert.match(await tpm.tool("tpm2_getcap", "handles-persistent"), /0x81000001/);
    // Without the password, the primary is the same key.
    await tpm.tool("tpm2_changeauth", "-c", "owner", "-p", "secret");
    configure(node, [], {});
    await sealOrOpen(node, sealed);
  });
});

test("key init creates a key with PCRs under the persistent storage key, whose Name is pinned", async () => {
  await withTpm(async (tpm, node) => {
    await takeOwnership(tpm);
    await persist(tpm);
    configure(node, [HANDLE], { parent: HANDLE });
    const made = node.run("key", "init", "--scheme", "hmac pcr=sha256:0");
    assert.equal(made.status, 0, made.stderr);
    await sealOrOpen(node);
    // Another storage key at the same handle.
    await tpm.tool("tpm2_clear", "-c", "p");
    await takeOwnership(tpm);
    await persist(tpm);
    assert.match(
      node.run("check", "--live").stdout,
      /this TPM's storage primary is not the parent of the key/,
    );
  });
});

test("the setting needs the grant, a handle, and a storage key of the template; other settings are refused", async () => {
  await withTpm(async (tpm, node) => {
    await takeOwnership(tpm);
    await persist(tpm, "rsa2048:aes128cfb");
    const cases: readonly (readonly [string[], Record<string, string>, RegExp])[] = [
      [
        [],
        { parent: HANDLE },
        /0x81000001 is not granted; to grant it, write under tpm: persistent: \["0x81000001"\]/,
      ],
      [[HANDLE], { parent: "0x80000001" }, /its setting "parent" is "0x80000001"; write a persistent handle/],
      [[HANDLE], { parents: HANDLE }, /the setting "parents" is not known; there is "parent"/],
      [
        [HANDLE],
        { parent: HANDLE },
        /Cannot use 0x81000001 as the parent of keys: it is not a storage key with ECC/,
      ],
      [["0x81000002"], { parent: "0x81000002" }, /Cannot read the persistent object 0x81000002/],
    ];
    for (const [persistent, settings, sentence] of cases) {
      configure(node, persistent, settings);
      const { status, stderr } = node.run("key", "init");
      assert.equal(status, 1);
      assert.match(stderr, sentence);
    }
  });
});
