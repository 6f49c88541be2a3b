/** Credentials of kleidi:net with a real server, which decides the rights and the life of a token. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { Agent } from "undici";
import type { CredentialEvent } from "../../host/capabilities/capability.ts";
import {
  type Credential,
  type Request,
  type Response,
  type Send,
  Unreachable,
} from "../../host/capabilities/net/exchange.ts";
import { systemClock } from "../../host/capabilities/net/login/clock.ts";
import { createCredential } from "../../host/capabilities/net/login/credential.ts";
import type { VaultLogin } from "../../host/capabilities/net/login/vault/grant.ts";
import type { Certificate } from "../support/certificates.ts";
import { headersOf, patient } from "../support/credential.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { TokenReviewServer } from "../support/token-review.ts";

/** The rights of a token on itself; the policy "default" of a new server allows it as well. */
const SELF = {
  "auth/token/lookup-self": ["read"],
  "auth/token/renew-self": ["update"],
  "auth/token/revoke-self": ["update"],
};
const HELLO = Buffer.from(JSON.stringify({ plaintext: Buffer.from("hello").toString("base64") }));
const ACCOUNT = { namespace: "kube-system", name: "kleidi" };
const SUBJECT = "kleidi@example.test";
const role = { policies: ["kek", "self"], ttl: "1h" };

let bao: OpenBao;
let setup: Setup;
let reviews: TokenReviewServer;
let folder: string;
let pools: Agent[];
let open: Credential[];
let events: CredentialEvent[];
/** The host's clock is ahead of the test's by this, so that a new token ages without a sleep. */
let aheadMs: number;

before(async () => {
  bao = await OpenBao.tls();
  reviews = await TokenReviewServer.start(bao.authority);
  setup = new Setup(bao);
  await setup.kek();
  await setup.policy("self", SELF);
});
after(async () => {
  await reviews?.stop();
  await bao?.stop();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kleidi-credential-"));
  pools = [];
  open = [];
  events = [];
  aheadMs = 0;
});
afterEach(async () => {
  for (const credential of open) await credential.close();
  for (const pool of pools) await pool.destroy();
  rmSync(folder, { recursive: true });
});

/** A connection to the server; stands in for the transport. */
function wayTo(client?: Certificate): Send {
  const pool = new Agent({
    connect: {
      ca: bao.authority.pem,
      ...(client === undefined ? {} : { cert: readFileSync(client.cert), key: readFileSync(client.key) }),
    },
  });
  pools.push(pool);
  return async ({ method, path, headers, body }, signal) => {
    try {
      const options = { origin: bao.url, method: method as "POST", path, headers, body, signal };
      const answer = await pool.request(options);
      return {
        status: answer.statusCode,
        headers: {},
        body: new Uint8Array(await answer.body.arrayBuffer()),
      };
    } catch (error) {
      throw new Unreachable(`the connection failed (${(error as NodeJS.ErrnoException).code})`);
    }
  };
}

/** A credential with its connection, for a request of the guest. */
interface Client {
  readonly credential: Credential;
  readonly send: Send;
}

function clientOf(config: VaultLogin, certificate?: Certificate): Client {
  const send = wayTo(certificate);
  const credential = createCredential(
    { kind: "vault", ...config },
    {
      provider: "vault",
      origin: bao.url,
      send,
      connect: () => assert.fail("a login of Vault asks no other server"),
      onEvent: (event) => events.push(event),
      clock: { ...systemClock, now: () => performance.now() + aheadMs },
    },
  );
  open.push(credential);
  return { credential, send };
}

/** Retries once after a login, like the capability. @returns the status */
async function encrypt({ credential, send }: Client, namespace = ""): Promise<number> {
  const attempt = async (): Promise<[Response, Awaited<ReturnType<Credential["lease"]>>]> => {
    const lease = await credential.lease(patient);
    const path = `/v1/${namespace}transit/encrypt/kek`;
    const request: Request = { method: "POST", path, headers: headersOf(lease), body: HELLO };
    return [await send(request, patient), lease];
  };
  const [{ status }, lease] = await attempt();
  if (status !== 401 && status !== 403) return status;
  return (await credential.refused(lease, patient)) ? (await attempt())[0].status : status;
}

async function tokenOf({ credential }: Client): Promise<string> {
  return String(headersOf(await credential.lease(patient))["x-vault-token"]);
}

/** 200 while the token is valid. */
async function looked(token: string): Promise<number> {
  return (await bao.api("POST", "auth/token/lookup", { token })).status;
}

function secret(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(`${path}.new`, `${content}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return path;
}

const kinds = () => events.map(({ event }) => event);
const number = (kind: string) => kinds().filter((other) => other === kind).length;

async function until(what: string, done: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 400; left > 0; left--) {
    if (await done()) return;
    await sleep(50);
  }
  assert.fail(`timed out waiting for ${what}; ${inspect(events)}`);
}

/** Each method with its own mount, so that tests do not interfere. */
const METHODS: Readonly<Record<string, (mount: string) => Promise<Client>>> = {
  approle: async (mount) => {
    const { body } = await setup.appRole({ ...role, mount });
    const secretId = { file: secret("id", body.secret_id) };
    return clientOf({ auth: "approle", mount, roleId: String(body.role_id), secretId });
  },
  userpass: async (mount) => {
    await setup.userpass("kleidi", "correct horse", { ...role, mount });
    return clientOf({
      auth: "userpass",
      mount,
      username: "kleidi",
      file: secret("password", "correct horse"),
    });
  },
  jwt: async (mount) => {
    const { body } = (await setup.jwt(SUBJECT, { ...role, mount })).login();
    return clientOf({ auth: "jwt", mount, role: "kleidi", file: secret("jwt", body.jwt) });
  },
  kubernetes: async (mount) => {
    const account = await setup.kubernetes(reviews, ACCOUNT, bao.authority, { ...role, mount });
    return clientOf({
      auth: "kubernetes",
      mount,
      role: "kleidi",
      file: secret("account", account.login().body.jwt),
    });
  },
  cert: async (mount) => {
    const { client } = await setup.cert("node-1", { ...role, mount });
    return clientOf({ auth: "cert", mount, role: "kleidi" }, client);
  },
};

describe("a login to OpenBao by", () => {
  for (const [auth, make] of Object.entries(METHODS)) {
    test(`${auth} has the policy's rights, and its token is revoked when the host ends`, async () => {
      const client = await make(`${auth}-whole`);
      assert.equal(await encrypt(client), 200);
      const token = await tokenOf(client);
      assert.equal(await looked(token), 200);
      assert.deepEqual(kinds(), ["login"]);
      const life = Number(events[0]?.expires) - Date.now();
      assert.ok(life > 3_500_000 && life <= 3_600_000, `${life} ms`);
      await client.credential.close();
      assert.equal(await looked(token), 403);
    });

    test(`${auth} is repeated after root revoked the token`, async () => {
      const client = await make(`${auth}-revoked`);
      const token = await tokenOf(client);
      await setup.revoke(token);
      assert.equal(await encrypt(client), 403);
      aheadMs = 10_000;
      assert.equal(await encrypt(client), 200);
      assert.notEqual(await tokenOf(client), token);
      assert.deepEqual(kinds(), ["login", "refused", "login"]);
    });
  }
});

describe("a login that OpenBao refuses names the probable cause:", () => {
  const refused = (client: Client, message: RegExp) =>
    assert.rejects(client.credential.lease(patient), { name: "CredentialRefused", message });

  test("a wrong secret id", async () => {
    const { body } = await setup.appRole({ ...role, mount: "r-approle" });
    const secretId = { file: secret("id", "no such id") };
    await refused(
      clientOf({ auth: "approle", mount: "r-approle", roleId: String(body.role_id), secretId }),
      /^the login at POST \/v1\/auth\/r-approle\/login was refused \(400\): look at the role id and the secret id$/,
    );
  });
  test("a wrong password", async () => {
    await setup.userpass("kleidi", "correct horse", { ...role, mount: "r-userpass" });
    const file = secret("password", "wrong");
    await refused(
      clientOf({ auth: "userpass", mount: "r-userpass", username: "kleidi", file }),
      /was refused \(40[03]\): look at the user and the password$/,
    );
  });
  test("an expired jwt", async () => {
    const { body } = (await setup.jwt(SUBJECT, { ...role, mount: "r-jwt" })).login({ exp: 1 });
    const file = secret("jwt", body.jwt);
    await refused(
      clientOf({ auth: "jwt", mount: "r-jwt", role: "kleidi", file }),
      /was refused \(40[03]\): look at the role and at the token in \/.*\/jwt: its audience, subject and time$/,
    );
  });
  test("a service account that was deleted", async () => {
    const account = { ...ACCOUNT, name: "deleted" };
    const made = await setup.kubernetes(reviews, account, bao.authority, { ...role, mount: "r-kubernetes" });
    const file = secret("jwt", made.login().body.jwt);
    reviews.delete(account);
    await refused(
      clientOf({ auth: "kubernetes", mount: "r-kubernetes", role: "kleidi", file }),
      /was refused \(403\): look at the role and at the token in/,
    );
  });
  test("another client's certificate", async () => {
    await setup.cert("node-1", { ...role, mount: "r-cert" });
    await refused(
      clientOf({ auth: "cert", mount: "r-cert" }, bao.authority.client("node-2")),
      /was refused \(40[03]\): look at the client certificate \(tls.client\) and the role$/,
    );
  });
  test("a missing mount", async () => {
    await refused(
      clientOf({ auth: "cert", mount: "nowhere" }, bao.authority.client("node-1")),
      /was refused \(40[34]\): /,
    );
  });
});

describe("a token in OpenBao", () => {
  const short = (policies: readonly string[], mount: string) =>
    setup.userpass("kleidi", "pass word", { policies, mount, ttl: "2s" });
  const clientAt = (mount: string) =>
    clientOf({ auth: "userpass", mount, username: "kleidi", file: secret("password", "pass word") });

  test("with a life of 2 s is renewed, and no request is refused meanwhile", async () => {
    await short(["kek", "self"], "renewed");
    const client = clientAt("renewed");
    const token = await tokenOf(client);
    await until("three renewals", async () => {
      assert.equal(await encrypt(client), 200);
      return number("renewed") >= 3;
    });
    assert.equal(await tokenOf(client), token);
    assert.deepEqual(new Set(kinds()), new Set(["login", "renewed"]));
  });

  test("with a life of 2 s leads to another login where the policy allows no renewal", async () => {
    await short(["kek"], "relogged");
    const client = clientAt("relogged");
    await until("three logins", async () => {
      assert.equal(await encrypt(client), 200);
      return number("login") >= 3;
    });
    assert.deepEqual(new Set(kinds()), new Set(["login"]));
  });

  test("with a life of at most 3 s, even when renewed, leads to another login in time", async () => {
    await short(["kek", "self"], "limited");
    await bao.must("POST", "auth/limited/users/kleidi", { token_max_ttl: "3s" });
    const client = clientAt("limited");
    await until("three logins", async () => {
      assert.equal(await encrypt(client), 200);
      return number("login") >= 3;
    });
    assert.ok(!kinds().includes("failed") && !kinds().includes("refused"));
  });

  test("in a namespace is created, renewed and revoked there", async () => {
    const team = await setup.namespace("team");
    await team.transit();
    await team.key("kek");
    await team.policy("kek", keyRules("kek"));
    await team.policy("self", SELF);
    await team.userpass("kleidi", "pass word", { policies: ["kek", "self"], ttl: "2s" });
    const file = secret("password", "pass word");
    const client = clientOf({ auth: "userpass", namespace: "team", username: "kleidi", file });
    assert.equal(await encrypt(client, "team/"), 200);
    const token = await tokenOf(client);
    await until("a renewal", () => number("renewed") >= 1);
    assert.equal(await encrypt(client, "team/"), 200);
    await client.credential.close();
    const answer = await bao.api("POST", "team/auth/token/lookup", { token });
    assert.equal(answer.status, 403, answer.text);
    assert.deepEqual(number("login"), 1);
  });
});

describe("a token from a file", () => {
  const tokenClient = (token: string) => clientOf({ auth: "token", file: secret("token", token) });

  test("is looked up and renewed, and outlives the host", async () => {
    const token = await setup.token({ policies: ["kek", "self"], ttl: "2s" });
    const client = tokenClient(token);
    await until("three renewals", async () => {
      assert.equal(await encrypt(client), 200);
      return number("renewed") >= 3;
    });
    await client.credential.close();
    assert.equal(await looked(token), 200);
  });

  test("works where its policies allow neither lookup nor renewal", async () => {
    const client = tokenClient(await setup.token({ policies: ["kek"], ttl: "1h" }));
    assert.equal(await encrypt(client), 200);
    assert.equal(await encrypt(client), 200);
    assert.deepEqual(kinds(), ["read"]);
  });

  test("without an expiry is used unchanged", async () => {
    const client = tokenClient(bao.rootToken);
    assert.equal(await encrypt(client), 200);
    await until("the look-up", () => events.length === 2);
    assert.deepEqual(
      events.map(({ event, expires }) => [event, expires]),
      [
        ["read", undefined],
        ["read", undefined],
      ],
    );
  });

  test("that root revoked is refused until the file has another one; then the next request is served", async () => {
    const token = await setup.token({ policies: ["kek"], ttl: "1h" });
    const client = tokenClient(token);
    assert.equal(await encrypt(client), 200);
    await setup.revoke(token);
    assert.equal(await encrypt(client), 403);
    secret("token", await setup.token({ policies: ["kek"], ttl: "1h" }));
    assert.equal(await encrypt(client), 200);
  });

  test("with a number of uses is not sent after the last, and the next token in the file is", async () => {
    const client = tokenClient(await setup.token({ policies: ["kek", "self"], ttl: "1h", num_uses: 4 }));
    assert.equal(await encrypt(client), 200);
    await until("the look-up", () => events.length === 2);
    const used = /^the token in .* has no use left: put one there whose number of uses is not limited/;
    await until("the last use", () =>
      encrypt(client).then(
        () => false,
        ({ message }) => used.test(message),
      ),
    );
    secret("token", await setup.token({ policies: ["kek"], ttl: "1h" }));
    aheadMs += 1000;
    assert.equal(await encrypt(client), 200);
  });

  test("that cannot be renewed is not sent after it expired", async () => {
    const client = tokenClient(await setup.token({ policies: ["kek", "self"], ttl: "2s", renewable: false }));
    assert.equal(await encrypt(client), 200);
    const expired = /^the token in .* has expired: put a new one there$/;
    await until("the end", () =>
      client.credential.lease(patient).then(
        () => false,
        ({ message }) => expired.test(message),
      ),
    );
    secret("token", await setup.token({ policies: ["kek"], ttl: "1h" }));
    assert.equal(await encrypt(client), 200);
  });
});

describe("a credential and events in OpenBao:", () => {
  async function comesBack(client: Client): Promise<void> {
    await until("a login", () =>
      encrypt(client).then(
        (status) => status === 200,
        () => false,
      ),
    );
  }
  const fails = (client: Client, message: RegExp) =>
    assert.rejects(client.credential.lease(patient), { name: "Unreachable", message });

  test("a login to a sealed server fails, and succeeds after the unseal", async () => {
    const client = await METHODS.approle?.("sealed");
    assert.ok(client);
    await bao.seal();
    await fails(client, /was refused \(503\): the server is sealed, stands by or is overloaded$/);
    await fails(client, /is sealed.*; the next try is in [0-9.]+ s$/);
    await bao.unseal();
    await comesBack(client);
    assert.equal(kinds().at(-1), "login");
  });

  test("a login to a killed server fails, and succeeds after its restart", async () => {
    const client = await METHODS.approle?.("killed");
    assert.ok(client);
    await bao.kill();
    await fails(client, /^the login at POST .* got no answer: the connection failed \(ECONNREFUSED\)$/);
    await bao.start();
    await bao.unseal();
    await comesBack(client);
  });

  test("a token from before a kill is valid after it", async () => {
    const client = await METHODS.approle?.("kept");
    assert.ok(client);
    const token = await tokenOf(client);
    await bao.kill();
    await bao.start();
    await bao.unseal();
    await comesBack(client);
    assert.equal(await tokenOf(client), token);
    assert.deepEqual(kinds(), ["login"]);
  });

  test("a rotated secret id is used at the next login", async () => {
    const client = await METHODS.approle?.("rotated");
    assert.ok(client);
    const first = await tokenOf(client);
    const old = readFileSync(join(folder, "id"), "utf8").trim();
    const { data } = await bao.must("POST", "auth/rotated/role/kleidi/secret-id");
    await bao.must("POST", "auth/rotated/role/kleidi/secret-id/destroy", { secret_id: old });
    await setup.revoke(first).catch(() => {});
    aheadMs = 10_000;
    assert.equal(await encrypt(client), 403);
    assert.match(String(events.at(-1)?.why), /look at the role id and the secret id$/);
    secret("id", data?.secret_id);
    await comesBack(client);
    assert.notEqual(await tokenOf(client), first);
  });
});

test("the secrets sent to OpenBao are in no event, error or print of a credential, and are detected in responses", async () => {
  const made = await Promise.all(Object.entries(METHODS).map(([auth, make]) => make(`canary-${auth}`)));
  const given: unknown[] = [...made.map(({ credential }) => credential), events];
  const tokens = await Promise.all(made.map(tokenOf));
  for (const [index, { credential }] of made.entries()) {
    const token = tokens[index] as string;
    assert.ok(credential.containsSecret(Buffer.from(JSON.stringify({ errors: [token] }))));
    given.push(await credential.lease(patient));
  }
  await bao.seal();
  for (const { credential } of made) {
    aheadMs += 4_000_000;
    given.push(await credential.lease(patient).catch((error: unknown) => error));
  }
  await bao.unseal();
  const secrets = ["id", "password", "jwt", "account"].map((name) =>
    readFileSync(join(folder, name), "utf8").trim(),
  );
  const printed = given.map((value) => [
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    JSON.stringify(value),
    value instanceof Error ? value.stack : "",
  ]);
  for (const text of printed.flat()) {
    for (const hidden of [...tokens, ...secrets])
      assert.ok(!String(text).includes(hidden), "a secret is printed");
  }
});
