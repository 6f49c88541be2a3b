/**
 * A real agent of OpenBao in front of the server, whose listener refuses requests without the header X-Vault-Request. Its
 * configuration is that of providers/vault/README.md.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { type Fixture, root } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { freePort, ServerProcess } from "../support/openbao-server.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { vaultNode } from "../support/vault-node.ts";

const folder = mkdtempSync(join(tmpdir(), "kleidi-agent-"));
const agent = new ServerProcess(folder);
let bao: OpenBao;
let setup: Setup;
let origin: string;

before(async () => {
  bao = await OpenBao.dev();
  setup = new Setup(bao);
  await setup.transit();
  await setup.key("kek");
  await setup.policy("kek", { ...keyRules("kek"), "sys/capabilities-self": ["update"] });
  await setup.policy("own-token", {
    "auth/token/lookup-self": ["read"],
    "auth/token/renew-self": ["update"],
  });
  await startAgent(await setup.token({ policies: ["kek", "own-token"], ttl: "1h" }));
});

after(async () => {
  await agent.end();
  await bao.stop();
  rmSync(folder, { recursive: true });
});

/** The agent logs in by a token of its own, and adds it to requests without one. */
async function startAgent(token: string): Promise<void> {
  const address = `127.0.0.1:${await freePort()}`;
  origin = `http://${address}`;
  writeFileSync(join(folder, "token"), token, { mode: 0o600 });
  const readme = readFileSync(join(root, "providers", "vault", "README.md"), "utf8");
  const [, example = ""] = /```hcl\n(vault \{[^`]*)```/.exec(readme) ?? [];
  const config = example
    .replace("https://vault.example:8200", bao.url)
    .replace("/etc/kleidi/token", join(folder, "token"))
    .replace("127.0.0.1:8100", address);
  writeFileSync(join(folder, "agent.hcl"), config);
  await agent.start(["agent", "-config", join(folder, "agent.hcl")], async () => {
    const headers = { "x-vault-request": "true" };
    return (await fetch(`${origin}/v1/transit/keys/kek`, { headers })).status === 200;
  });
}

async function assertServes(fixture: Fixture): Promise<void> {
  await fixture.serve();
  const client = new KmsClient(fixture.socket);
  try {
    const sealed = await client.encrypt({ plaintext: new Uint8Array(32).fill(4) });
    assert.deepEqual(Buffer.from((await client.decrypt(sealed)).plaintext), Buffer.alloc(32, 4));
  } finally {
    client.close();
  }
}

test("the listener refuses a request without the header", async () => {
  assert.equal((await fetch(`${origin}/v1/transit/keys/kek`)).status, 412);
});

test("a host without a credential serves: the agent adds its own", async (t) => {
  const fixture = vaultNode({ origin, net: { credential: undefined } });
  t.after(() => fixture.close());
  await assertServes(fixture);
  const { status, stdout } = fixture.run("doctor");
  assert.equal(status, 0, stdout);
});

test("a host that logs in through the agent serves, and doctor asks through it too", async (t) => {
  const { body } = await setup.appRole({ policies: ["kek"] });
  const fixture = vaultNode({
    origin,
    net: {
      credential: { vault: { auth: "approle", roleId: body.role_id, secretId: { file: "secret-id" } } },
    },
  });
  t.after(() => fixture.close());
  writeFileSync(join(fixture.folder, "secret-id"), String(body.secret_id), { mode: 0o600 });
  await assertServes(fixture);
  const { status, stdout } = fixture.run("doctor");
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^ok {3}net vault policy: the token's policy allows the granted requests/m);
});
