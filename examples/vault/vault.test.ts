/** Runs the example's configuration and policy through the command line, with a temporary OpenBao. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Fixture, sha256Of } from "../../test/support/fixture.ts";
import { OpenBao } from "../../test/support/openbao.ts";
import { Setup } from "../../test/support/openbao-setup.ts";
import { vaultModule } from "../../test/support/vault-node.ts";

let bao: OpenBao;
const fixture = new Fixture();

before(async () => {
  bao = await OpenBao.tls();
});

after(async () => {
  await fixture.close();
  await bao.stop();
});

test("the example passes check, encrypts and decrypts", async () => {
  const setup = new Setup(bao);
  await setup.transit();
  await setup.key("kek-2026");
  const policy = readFileSync(join(import.meta.dirname, "policy.hcl"), "utf8");
  await bao.must("PUT", "sys/policies/acl/kleidi", { policy });
  const { body } = await setup.appRole({ policies: ["kleidi"] });
  const secret = join(fixture.folder, "secret-id");
  writeFileSync(secret, `${body.secret_id}\n`, { mode: 0o600 });
  const example = readFileSync(join(import.meta.dirname, "kleidi.yaml"), "utf8");
  const changes: [string, string][] = [
    ["/run/kleidi/kms.sock", fixture.socket],
    ["  group: kleidi-socket\n", ""],
    ["providers/vault.wasm", vaultModule],
    ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", sha256Of(vaultModule)],
    ["https://vault.example:8200", bao.url],
    ["/etc/kleidi/vault-ca.pem", bao.authority.file],
    ["/etc/kleidi/secret-id", secret],
    ["3f0c2b1e-8a3c-4c57-9d0f-0d6f1b2c9a11", String(body.role_id)],
  ];
  const text = changes.reduce((before, [from, to]) => {
    assert.ok(before.includes(from), `the example contains ${from}`);
    return before.replace(from, to);
  }, example);
  fixture.write(text);
  // Blocking is fine: this process serves nothing that the command calls.
  const live = fixture.run("check", "--live");
  assert.equal(live.status, 0, live.stdout);
  assert.match(
    live.stdout,
    /ok {3}live kek-2026: Status, Encrypt and Decrypt through provider vault succeeded/,
  );
});
