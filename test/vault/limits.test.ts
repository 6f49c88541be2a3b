/** Credentials that are good for a number of uses, or end for good, at a real OpenBao: the host, doctor, and the metrics. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { ask, freePort } from "../support/admin.ts";
import type { Fixture } from "../support/fixture.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { samplesOf, total } from "../support/promtool.ts";
import { vaultNode } from "../support/vault-node.ts";

const SELF = {
  "sys/capabilities-self": ["update"],
  "auth/token/lookup-self": ["read"],
  "auth/approle/role/kleidi/secret-id/lookup": ["update"],
};

let bao: OpenBao;
let setup: Setup;
const open: Fixture[] = [];

before(async () => {
  bao = await OpenBao.dev();
  setup = new Setup(bao);
  await setup.kek();
  await setup.policy("kek", { ...keyRules("kek"), ...SELF });
  await setup.policy("quiet", keyRules("kek"));
  await bao.must("POST", "sys/auth/approle", { type: "approle" });
});
after(async () => {
  for (const fixture of open) await fixture.close();
  await bao.stop();
});

/** A node whose role has these limits. */
async function appRoleNode(role: object, rest = {}): Promise<Fixture> {
  const path = "auth/approle/role/kleidi";
  const none = { token_num_uses: 0, secret_id_num_uses: 0, secret_id_ttl: 0, token_explicit_max_ttl: 0 };
  const base = { token_policies: ["kek"], token_type: "default", token_ttl: "20m", ...none };
  await bao.must("POST", path, { ...base, ...role });
  const { data: id } = await bao.must("GET", `${path}/role-id`);
  const { data: secret } = await bao.must("POST", `${path}/secret-id`);
  const credential = { vault: { auth: "approle", roleId: id?.role_id, secretId: { file: "secret-id" } } };
  const fixture = vaultNode({ origin: bao.url, net: { credential }, rest });
  writeFileSync(join(fixture.folder, "secret-id"), String(secret?.secret_id), { mode: 0o600 });
  open.push(fixture);
  return fixture;
}

async function tokenNode(options: object, rest = {}): Promise<Fixture> {
  const token = await setup.token({ policies: ["kek"], ...options });
  const fixture = vaultNode({ origin: bao.url, token, rest });
  open.push(fixture);
  return fixture;
}

/** The findings of doctor on the limits of the credential, and its exit code. */
async function doctor(made: Promise<Fixture>) {
  const { status, stdout } = (await made).run("doctor", "--json");
  const { findings } = JSON.parse(stdout) as {
    findings: { subject: string; level: string; detail: string; hint?: string }[];
  };
  const others = findings.filter(({ subject, level }) => subject !== "net vault limits" && level === "fail");
  assert.deepEqual(others, []);
  const found = findings.filter(({ subject }) => subject === "net vault limits");
  return {
    status,
    levels: found.map(({ level }) => level),
    text: found.map(({ detail, hint }) => `${detail}\n${hint}`).join("\n"),
  };
}

describe("doctor, on the limits of a credential:", () => {
  test("a login without limits is ok", async () => {
    const { status, levels } = await doctor(appRoleNode({}));
    assert.deepEqual([status, levels], [0, ["ok"]]);
  });

  test("tokens and a secret id with a number of uses: warns, and fails, with both settings", async () => {
    const { status, levels, text } = await doctor(
      appRoleNode({ token_num_uses: 10, secret_id_num_uses: 40 }),
    );
    assert.deepEqual([status, levels], [1, ["warn", "fail"]]);
    assert.match(text, /token for 10 requests only.*\n.*token_num_uses=0 at the role of auth\/approle/);
    assert.match(text, /good for 3\d more logins, .*\n.*secret_id_num_uses=0 at auth\/approle\/role/);
  });

  test("a secret id that ends: warns", async () => {
    const { status, levels, text } = await doctor(appRoleNode({ secret_id_ttl: "10m" }));
    assert.deepEqual([status, levels], [0, ["warn"]]);
    assert.match(text, /secret id is good until 20.*; it ends in \d+ minutes\n.*secret_id_ttl=0/);
  });

  test("a policy that does not let the host ask: warns, with the stanza", async () => {
    const { status, levels, text } = await doctor(
      appRoleNode({ token_policies: ["quiet"], token_no_default_policy: true }),
    );
    assert.deepEqual([status, levels], [0, ["warn"]]);
    assert.match(text, /was refused \(403\)[\s\S]*path "auth\/approle\/role\/<role>\/secret-id\/lookup" \{/);
  });

  test("batch tokens and explicit_max_ttl of a login are ok: the host logs in again", async () => {
    const batch = await doctor(appRoleNode({ token_type: "batch" }));
    assert.deepEqual([batch.status, batch.levels], [0, ["ok"]]);
    const most = await doctor(appRoleNode({ token_explicit_max_ttl: "1h" }));
    assert.deepEqual([most.status, most.levels], [0, ["ok"]]);
  });

  test("a token in a file: fails for a number of uses, warns of an end, and a periodic one is ok", async () => {
    const uses = await doctor(tokenNode({ ttl: "1h", num_uses: 50 }));
    assert.deepEqual([uses.status, uses.levels], [1, ["fail"]]);
    assert.match(uses.text, /the token is good for 4\d more requests/);
    for (const options of [
      { ttl: "1h", explicit_max_ttl: "2h" },
      { ttl: "1h", type: "batch" },
      { ttl: "1h", renewable: false },
    ]) {
      const { status, levels, text } = await doctor(tokenNode(options));
      assert.deepEqual([status, levels], [0, ["warn"]], JSON.stringify(options));
      assert.match(text, /cannot be renewed beyond 20.*; it ends in \d+ minutes\n.*periodic/);
    }
    const periodic = await doctor(tokenNode({ period: "1h" }));
    assert.deepEqual([periodic.status, periodic.levels], [0, ["ok"]]);
  });
});

describe("a host", () => {
  test("whose tokens are good for 10 requests refuses none of many calls", async () => {
    const fixture = await appRoleNode({ token_num_uses: 10 });
    await fixture.serve();
    const client = new KmsClient(fixture.socket);
    try {
      const sealed = await client.encrypt({ plaintext: new Uint8Array(32).fill(3) });
      for (let i = 0; i < 10; i++) {
        const opened = await Promise.all(Array.from({ length: 12 }, () => client.decrypt(sealed)));
        for (const { plaintext } of opened) assert.deepEqual(Buffer.from(plaintext), Buffer.alloc(32, 3));
      }
    } finally {
      client.close();
    }
    assert.doesNotMatch(fixture.readLog(), /"credential":"(refused|failed)"/);
  });

  test("has the uses and the end of its secret id as metrics", async () => {
    const admin = `127.0.0.1:${await freePort()}`;
    const limits = { secret_id_num_uses: 40, secret_id_ttl: "10m" };
    const fixture = await appRoleNode(limits, { admin: { listen: admin } });
    await fixture.serve();
    const samples = samplesOf((await ask(admin, "/metrics")).text);
    const uses = total(samples, "kleidi_credential_uses_left", { provider: "vault", kind: "secret-id" });
    assert.ok(uses > 30 && uses < 40, `${uses}`);
    const labels = { name: "vault", kind: "secret-id" };
    const left = total(samples, "kleidi_expiry_timestamp_seconds", labels) - Date.now() / 1000;
    assert.ok(left > 0 && left <= 600, `${left} s`);
    assert.equal(total(samples, "kleidi_expiry_warning_seconds", labels), 150);
  });
});
