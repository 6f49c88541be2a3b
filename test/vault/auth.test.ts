/** End to end: each login method that OpenBao supports: tokens end, are renewed, are revoked, and are in no log or output. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import type { Fixture } from "../support/fixture.ts";
import { type Login, OpenBao } from "../support/openbao.ts";
import { Setup } from "../support/openbao-setup.ts";
import { TokenReviewServer } from "../support/token-review.ts";
import { untilWell } from "../support/until-well.ts";
import { vaultNode } from "../support/vault-node.ts";

const plaintext = Uint8Array.from(Buffer.from("a DEK seed that nobody may hear!"));
const policies = ["kek"];

let bao: OpenBao;
let setup: Setup;

before(async () => {
  bao = await OpenBao.tls();
  setup = new Setup(bao);
  await setup.kek();
});

after(() => bao.stop());

interface Way {
  /** The `vault` of the credential. */
  readonly vault: Record<string, unknown>;
  /** The files that it names. */
  readonly secrets?: Record<string, string>;
  readonly tls?: Record<string, unknown>;
}

async function withHost(
  way: Way,
  work: (client: KmsClient, fixture: Fixture) => Promise<void>,
): Promise<void> {
  const fixture = vaultNode({
    origin: bao.url,
    net: { tls: { ca: bao.authority.file, ...way.tls }, credential: { vault: way.vault } },
  });
  for (const [name, value] of Object.entries(way.secrets ?? {}))
    writeFileSync(join(fixture.folder, name), value, { mode: 0o600 });
  const client = new KmsClient(fixture.socket);
  try {
    await fixture.serve();
    await work(client, fixture);
    const log = fixture.readLog();
    for (const secret of Object.values(way.secrets ?? {}))
      assert.ok(!log.includes(secret), "the log has a secret");
    assert.doesNotMatch(log, /\b[bs]\.[A-Za-z0-9]{20,}/, "the log has a token");
  } finally {
    client.close();
    await fixture.close();
  }
}

async function works(client: KmsClient): Promise<void> {
  const sealed = await client.encrypt({ plaintext });
  assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), plaintext);
}

const text = (login: Login, field: string) => String(login.body[field]);

describe("every login method", () => {
  test("token from a file", async () => {
    const token = await setup.token({ policies, ttl: "1h" });
    await withHost({ vault: { auth: "token", file: "token" }, secrets: { token } }, works);
  });

  test("approle, with tokens that live for two seconds: no call fails", async () => {
    const login = await setup.appRole({ policies, ttl: "2s" });
    await withHost(
      {
        vault: { auth: "approle", roleId: text(login, "role_id"), secretId: { file: "secret-id" } },
        secrets: { "secret-id": text(login, "secret_id") },
      },
      async (client) => {
        for (let i = 0; i < 30; i++) {
          await works(client);
          await sleep(200);
        }
      },
    );
  });

  test("userpass", async () => {
    const password = "correct-horse-battery";
    await setup.userpass("kleidi", password, { policies });
    await withHost(
      { vault: { auth: "userpass", username: "kleidi", file: "password" }, secrets: { password } },
      works,
    );
  });

  test("jwt", async () => {
    const issuer = await setup.jwt("kleidi-node", { policies });
    const jwt = text(issuer.login(), "jwt");
    await withHost({ vault: { auth: "jwt", role: "kleidi", file: "jwt" }, secrets: { jwt } }, works);
  });

  test("kubernetes", async () => {
    const account = { namespace: "kube-system", name: "kleidi" };
    const reviews = await TokenReviewServer.start(bao.authority);
    try {
      const way = await setup.kubernetes(reviews, account, bao.authority, { policies });
      const jwt = text(way.login(), "jwt");
      await withHost({ vault: { auth: "kubernetes", role: "kleidi", file: "jwt" }, secrets: { jwt } }, works);
    } finally {
      await reviews.stop();
    }
  });

  test("cert", async () => {
    const { client } = await setup.cert("kleidi-node", { policies });
    assert.ok(client);
    await withHost(
      { vault: { auth: "cert", role: "kleidi" }, tls: { certificate: client.cert, key: client.key } },
      works,
    );
  });
});

test("a revocation of all tokens during 8 callers' work leads to a new login, and no call fails", async () => {
  const login = await setup.appRole({ policies, ttl: "1h", mount: "revoked" });
  await withHost(
    {
      vault: {
        auth: "approle",
        mount: "revoked",
        roleId: text(login, "role_id"),
        secretId: { file: "secret-id" },
      },
      secrets: { "secret-id": text(login, "secret_id") },
    },
    async (client, fixture) => {
      await works(client);
      // The host does not log in again for a new token: a denial of a new token is a matter of policy.
      await sleep(10_500);
      let going = true;
      const callers = Array.from({ length: 8 }, async () => {
        while (going) await works(client);
      });
      await sleep(300);
      await bao.must("PUT", "sys/leases/revoke-prefix/auth/revoked", {});
      await sleep(1_000);
      going = false;
      await Promise.all(callers);
      assert.match(
        fixture.readLog(),
        /"credential":"refused",.*"why":"the server rejected the token \(401 or 403\); logging in again"/,
      );
    },
  );
});

test("a refused secret is reported by Status, and calls succeed once the right one is in the file", async () => {
  const login = await setup.appRole({ policies, mount: "corrected" });
  const fixture = vaultNode({
    origin: bao.url,
    net: {
      tls: { ca: bao.authority.file },
      credential: {
        vault: {
          auth: "approle",
          mount: "corrected",
          roleId: text(login, "role_id"),
          secretId: { file: "secret-id" },
        },
      },
    },
  });
  const secret = join(fixture.folder, "secret-id");
  writeFileSync(secret, "not-the-secret", { mode: 0o600 });
  const client = new KmsClient(fixture.socket);
  try {
    fixture.spawn();
    await untilWell(() => assert.rejects(client.status(), /refused the credential/));
    writeFileSync(secret, text(login, "secret_id"), { mode: 0o600 });
    await untilWell(() => client.status());
    await works(client);
  } finally {
    client.close();
    await fixture.close();
  }
});
