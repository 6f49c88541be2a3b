/** The Vault provider passes the conformance kit against a real OpenBao: all levels, a rotation, and a server that hangs. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { kleidi } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { allowFor, vaultModule, vaultNode } from "../support/vault-node.ts";

const TIMEOUT_MS = 400_000;
let bao: OpenBao;
let setup: Setup;

before(async () => {
  bao = await OpenBao.dev();
  setup = new Setup(bao);
  await setup.transit();
});
after(() => bao.stop());

test("vault passes all levels", async (t) => {
  await setup.key("kek");
  await setup.policy("kek", keyRules("kek"));
  const token = await setup.token({ policies: ["kek"] });
  const rotator = await setup.token({ policies: ["root"] });
  const node = vaultNode({ origin: bao.url, token, net: { allow: allowFor("kek") } });
  const url = new URL("/v1/transit/keys/kek/rotate", bao.url);
  const post = `fetch("${url}",{method:"POST",headers:{"x-vault-token":"${rotator}"}}).then(({ok})=>process.exit(ok?0:1))`;
  const args = ["--rotate", `'${process.execPath}' -e '${post}'`];
  args.push("--stop", `kill -STOP ${bao.pid}`, "--start", `kill -CONT ${bao.pid}`);
  try {
    const stdout = await new Promise<string>((resolve) => {
      const command = ["provider", "test", vaultModule, "--config", node.config, ...args];
      execFile(kleidi, command, { timeout: TIMEOUT_MS }, (_error, out, err) => resolve(out + err));
    });
    assert.match(stdout, /^# pass \d+, fail 0, warn 0, skip \d+$/m, stdout);
    for (const name of [
      "seeds_64_at_once",
      "kms_out_of_reach",
      "key_rotated",
      "ciphertext_with_each_byte_changed",
    ])
      assert.match(stdout, new RegExp(`^ok \\d+ - \\w+: ${name}$`, "m"), stdout);
    t.diagnostic(stdout.trimEnd().split("\n").at(-1) ?? "");
  } finally {
    await node.close();
  }
});
