/** The life of a key in a TPM: each key is created in the TPM, and the former one decrypts. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { requireDebian } from "../support/debian.ts";
import { Fixture } from "../support/fixture.ts";
import { ageHistory } from "../support/history.ts";
import { Swtpm } from "../support/swtpm.ts";
import { tpmNode } from "../support/tpm-node.ts";

requireDebian(["swtpm"]);

const plaintext = new Uint8Array(32).fill(0x5a);

test("a key in a TPM is rotated, promoted and retired", async (t) => {
  const tpm = await Swtpm.start("unix");
  t.after(() => tpm.stop());
  const node = tpmNode({ device: tpm.device });
  t.after(() => node.close());
  node.write(JSON.stringify({ ...JSON.parse(node.readConfig()), admin: { listen: "unix:admin.sock" } }));
  node.keyInit("kek");
  const run = (...words: string[]) => {
    const { status, stdout, stderr } = node.run("key", ...words, "--json");
    assert.equal(status, 0, stdout + stderr);
    return JSON.parse(stdout);
  };
  const encrypted = async () => {
    const client = new KmsClient(node.socket);
    const sealed = await client.encrypt({ plaintext });
    client.close();
    return sealed;
  };

  // A virtual TPM serves one client: the host does not run while a key is created.
  let host = await node.serve();
  const old = await encrypted();
  await Fixture.stop(host);
  const escrow = join(node.folder, "kek-2.hex");
  const { key, version, warnings } = run("rotate", "--escrow", escrow);
  assert.deepEqual([key, warnings], ["kek-2", []]);
  assert.match(readFileSync(escrow, "utf8"), /^[0-9a-f]{64}\n$/);
  assert.ok(existsSync(join(node.folder, "state", "kek-2.state")));

  host = await node.serve();
  const marks = [node.folder, join(node.folder, "state")];
  ageHistory(
    join(node.folder, "kleidi.history.jsonl"),
    marks.map((folder) => join(folder, "kleidi.history.mark")),
    60_000,
  );
  const isReady = () => run("list").keys.every((each: { host?: string }) => each.host === "ready");
  for (const end = Date.now() + 60_000; !isReady(); ) assert.ok(Date.now() < end, "the key is not ready");
  assert.equal(run("promote", key).changed, true);
  await Fixture.stop(host);

  host = await node.serve();
  const now = await encrypted();
  assert.notEqual(now.keyId, old.keyId);
  const client = new KmsClient(node.socket);
  t.after(() => client.close());
  assert.deepEqual(new Uint8Array((await client.decrypt(old)).plaintext), plaintext);
  const { removed } = run("retire", "kek", "--force", "--remove-files");
  assert.equal(removed, join(node.folder, "state", "kek.state"));
  const { keys, providers } = JSON.parse(node.readConfig());
  assert.deepEqual(keys, [{ name: "kek-2", provider: "tpm", use: "active" }]);
  assert.deepEqual(providers.tpm.grants.state.names, ["kek-2"]);
  assert.match(version, /^[0-9a-f]{32}$/);
  await Fixture.stop(host);
});
