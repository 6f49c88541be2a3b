/** OpenBao as started by the support file, in both of its forms: the foundation of the provider's tests. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { TokenReviewServer } from "../support/token-review.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const HELLO = { plaintext: base64("hello"), associated_data: base64("bound") };

async function encrypt(bao: OpenBao, path = "transit/encrypt/kek", token?: string): Promise<string> {
  const { data } = await bao.must("POST", path, HELLO, token);
  return String(data?.ciphertext);
}

/** Status and plaintext, or the errors. */
async function decrypt(bao: OpenBao, ciphertext: string, bound = "bound"): Promise<unknown[]> {
  const body = { ciphertext, associated_data: base64(bound) };
  const answer = await bao.api("POST", "transit/decrypt/kek", body);
  return [answer.status, answer.body.data?.plaintext ?? answer.body.errors];
}

describe("OpenBao in dev mode", () => {
  let bao: OpenBao;
  let setup: Setup;

  before(async () => {
    bao = await OpenBao.dev();
    setup = new Setup(bao);
    await setup.transit();
    await setup.key("kek");
  });
  after(() => bao?.stop());

  test("decrypts its ciphertext only with the associated data that it was bound to", async () => {
    const ciphertext = await encrypt(bao);
    assert.deepEqual(await decrypt(bao, ciphertext), [200, HELLO.plaintext]);
    assert.deepEqual(await decrypt(bao, ciphertext, "else"), [
      400,
      ["cipher: message authentication failed"],
    ]);
  });

  test("serves a namespace by its path and by the header", async () => {
    const team = await setup.namespace("team");
    await team.transit();
    await team.key("inner");
    await team.policy("inner", keyRules("inner"));
    const token = await bao.login(await team.appRole({ policies: ["inner"] }));
    assert.match(await encrypt(bao, "team/transit/encrypt/inner", token), /^vault:v1:/);
    const headers = { "x-vault-namespace": "team" };
    const answer = await bao.api("POST", "transit/encrypt/inner", HELLO, { token, headers });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await bao.api("POST", "transit/encrypt/inner", HELLO, token)).status, 403);
  });

  test("leaves no process and no folder behind", async () => {
    const other = await OpenBao.dev();
    const pid = other.pid as number;
    assert.equal(process.kill(pid, 0), true);
    await other.stop();
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    assert.equal(existsSync(other.folder), false);
    await assert.rejects(other.api("GET", "sys/health"), { code: "ECONNREFUSED" });
  });
});

describe("OpenBao with files and TLS", () => {
  let bao: OpenBao;
  let setup: Setup;

  before(async () => {
    bao = await OpenBao.tls({ names: ["bao.example.test"] });
    setup = new Setup(bao);
    await setup.kek();
  });
  after(() => bao?.stop());

  test("answers 503 while it is sealed, and decrypts older ciphertexts afterwards", async () => {
    const ciphertext = await encrypt(bao);
    await bao.seal();
    assert.deepEqual(await decrypt(bao, ciphertext), [503, ["Vault is sealed"]]);
    await bao.unseal();
    assert.deepEqual(await decrypt(bao, ciphertext), [200, HELLO.plaintext]);
  });

  test("is sealed at the same address after a restart and after SIGKILL", async () => {
    const ciphertext = await encrypt(bao);
    const { url } = bao;
    for (const again of [
      () => bao.restart(),
      async () => {
        await bao.kill();
        await assert.rejects(bao.api("GET", "sys/health"), { code: "ECONNREFUSED" });
        await bao.start();
      },
    ]) {
      await again();
      assert.equal(bao.url, url);
      assert.deepEqual(await decrypt(bao, ciphertext), [503, ["Vault is sealed"]]);
      await bao.unseal();
      assert.deepEqual(await decrypt(bao, ciphertext), [200, HELLO.plaintext]);
    }
  });

  test("presents a certificate of its own CA for the given names, and an expired one on request", async () => {
    const good = await handshake(bao, "bao.example.test");
    assert.equal(good.error, undefined);
    assert.equal((await handshake(bao, "else.example.test")).error, "ERR_TLS_CERT_ALTNAME_INVALID");
    bao.serverCertificate({ expired: true });
    bao.signal("SIGHUP");
    await until(
      "the expired one",
      async () => (await handshake(bao, "localhost")).error === "CERT_HAS_EXPIRED",
    );
    bao.serverCertificate({ names: ["bao.example.test"] });
    bao.signal("SIGHUP");
    await until("the valid one", async () => (await handshake(bao, "bao.example.test")).error === undefined);
  });

  test("accepts logins by approle, userpass, jwt, cert and kubernetes, with exactly the policy's rights", async () => {
    const role = { policies: ["kek"] };
    const account = { namespace: "kube-system", name: "kleidi" };
    const reviews = await TokenReviewServer.start(bao.authority);
    try {
      const jwt = await setup.jwt("kleidi@example.test", role);
      const kubernetes = await setup.kubernetes(reviews, account, bao.authority, role);
      const logins = [
        await setup.appRole(role),
        await setup.userpass("kleidi", "a password", role),
        jwt.login(),
        await setup.cert("node-1", role),
        kubernetes.login(),
      ];
      for (const login of logins) {
        const token = await bao.login(login);
        await encrypt(bao, "transit/encrypt/kek", token);
        const denied = await bao.api("POST", "transit/keys/kek/rotate", {}, token);
        assert.equal(denied.status, 403, login.path);
      }
      assert.equal(reviews.reviews, 1);

      const [, userpass, , cert] = logins as [unknown, (typeof logins)[0], unknown, (typeof logins)[0]];
      const refused = [
        { ...userpass, body: { password: "another" } },
        jwt.login({ exp: 1 }),
        jwt.login({ sub: "somebody else" }),
        { ...cert, client: bao.authority.client("node-2") },
        { path: cert.path, body: cert.body },
        kubernetes.login(reviews.token({ namespace: "default", name: "kleidi" })),
      ];
      for (const login of refused) await assert.rejects(bao.login(login), / gave 40[03]: /, login.path);
      const token = reviews.token(account);
      reviews.delete(account);
      await assert.rejects(bao.login(kubernetes.login(token)), / gave 403: /);
    } finally {
      await reviews.stop();
    }
  });
});

async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  for (let left = 200; left > 0; left--) {
    if (await ask()) return;
    await sleep(50);
  }
  assert.fail(`timed out waiting for ${what}`);
}

/** The result of a TLS handshake for a client that trusts the CA. */
function handshake(bao: OpenBao, servername: string): Promise<{ error?: string }> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: bao.port, servername, ca: bao.authority.pem }, () => {
      socket.destroy();
      resolve({});
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
  });
}
