/** The azure provider passes the conformance kit against the stand-in for Azure, with keys of both kinds: all levels, and a rotation. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { FakeAzure } from "../support/azure/azure.ts";
import { rotate } from "../support/azure/vault.ts";
import { azureModule, azureNode, machineOf } from "../support/azure-node.ts";
import { kleidi } from "../support/fixture.ts";
import { Listener } from "../support/listener.ts";

let azure: FakeAzure;
before(async () => {
  azure = await FakeAzure.start();
});
after(() => azure.close());

for (const kind of ["RSA", "oct-HSM"])
  test(`azure passes all levels with a key of type ${kind}`, async (t) => {
    const key = azure.vault.create(kind);
    const rotator = await Listener.start(
      () => {
        rotate(key);
        return { status: 200, body: "" };
      },
      () => Date.now(),
    );
    const node = azureNode({ azure, key: key.name, ...machineOf(azure) });
    const post = `fetch("${rotator.origin}").then(({ok})=>process.exit(ok?0:1))`;
    try {
      const stdout = await new Promise<string>((resolve) => {
        const command = ["provider", "test", azureModule, "--config", node.config];
        command.push("--rotate", `'${process.execPath}' -e '${post}'`);
        execFile(kleidi, command, { timeout: 400_000 }, (_error, out, err) => resolve(out + err));
      });
      assert.match(stdout, /^# pass \d+, fail 0, warn 0, skip \d+$/m, stdout);
      for (const name of ["seeds_64_at_once", "key_rotated", "ciphertext_with_each_byte_changed"])
        assert.match(stdout, new RegExp(`^ok \\d+ - \\w+: ${name}$`, "m"), stdout);
      t.diagnostic(stdout.trimEnd().split("\n").at(-1) ?? "");
    } finally {
      await node.close();
      await rotator.close();
    }
  });
