/** The life of a key in Transit: the command stages only a key that the server serves to this host. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { allowFor, vaultNode } from "../support/vault-node.ts";

test("a key in Transit is staged when it exists there and the host may use it", async (t) => {
  const bao = await OpenBao.dev();
  t.after(() => bao.stop());
  const setup = new Setup(bao);
  await setup.kek("kek");
  const policies = ["kek", "kek-2"];
  const node = vaultNode({
    origin: bao.url,
    token: await setup.token({ policies }),
    net: { networks: ["127.0.0.0/8"] },
    // Beside a host that runs with the former configuration.
    rest: { admin: { listen: "unix:admin.sock" } },
  });
  t.after(() => node.close());
  await node.serve();
  const before = node.readConfig();
  const rotate = () => {
    const { status, stdout } = node.run("key", "rotate", "--json");
    return { status, ...JSON.parse(stdout) };
  };

  const missing = rotate();
  assert.deepEqual([missing.status, missing.code], [1, "key-not-ready"]);
  assert.match(missing.hint, /vault write -f transit\/keys\/NAME, and the three paths of the policy/);
  assert.equal(node.readConfig(), before);

  await setup.key("kek-2");
  await setup.policy("kek-2", keyRules("kek-2"));
  const staged = rotate();
  assert.deepEqual([staged.status, staged.key, staged.how], [0, "kek-2", "found"]);
  const { keys, providers } = JSON.parse(node.readConfig());
  assert.deepEqual(keys[1], { name: "kek-2", provider: "vault", use: "decrypt" });
  assert.deepEqual(providers.vault.grants.net.allow, [...allowFor("kek"), ...allowFor("kek-2")]);
  assert.ok(readdirSync(node.folder).includes("kleidi.history.mark"));

  const { status } = node.run("key", "retire", "kek-2");
  assert.equal(status, 0);
  assert.deepEqual(JSON.parse(node.readConfig()), JSON.parse(before));
});
