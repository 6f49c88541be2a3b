/**
 * Secrets do not appear in anything that a log, an audit record, an error or a guest could receive. Each secret here contains CANARY; all
 * output of a credential, in all of its states, is printed in every way that Node offers.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { inspect } from "node:util";
import { serialize } from "node:v8";
import { type Answer, auth, down, json, patient, Rig } from "../../../../test/support/credential.ts";
import { Secret } from "../../../lib/secret.ts";
import type { Credential } from "../exchange.ts";
import type { CredentialConfig } from "./grant.ts";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());

const TOKEN = "hvs.CANARY-token";

const CONFIGS: Readonly<Record<string, (rig: Rig) => CredentialConfig>> = {
  file: () => ({ kind: "file", file: rig.secret("token", TOKEN), header: "x-token" }),
  login: () => ({
    kind: "login",
    method: "POST",
    path: "/login",
    body: { password: { file: rig.secret("password", "CANARY-password") } },
    token: "/auth/client_token",
    ttl: "/auth/lease_duration",
    header: "x-token",
  }),
  "vault token": () => ({ kind: "vault", auth: "token", file: rig.secret("token", TOKEN) }),
  "vault approle": () => ({
    kind: "vault",
    auth: "approle",
    roleId: "role",
    secretId: { file: rig.secret("secret", "CANARY-secret") },
  }),
  "vault jwt": () => ({
    kind: "vault",
    auth: "jwt",
    role: "kleidi",
    file: rig.secret("jwt", "CANARY-jwt", 0o644),
  }),
  "vault userpass": () => ({
    kind: "vault",
    auth: "userpass",
    username: "kleidi",
    file: rig.secret("password", "CANARY-password"),
  }),
};

/** Servers that echo the request in every place where an answer has one. */
const echo = (status: number): Answer => {
  return ({ headers, body }) => ({
    status,
    headers: { "x-echo": JSON.stringify(headers) },
    body: Buffer.concat([Buffer.from(JSON.stringify(headers)), body]),
  });
};
const ANSWERS: Readonly<Record<string, Answer>> = {
  good: () => auth(TOKEN, 60),
  down,
  "echo 200": echo(200),
  "echo 400": echo(400),
  "echo 500": echo(500),
  "bad token": () => auth(`${TOKEN}\r\n`, 60),
  "bad life": () => json({ auth: { client_token: TOKEN, lease_duration: TOKEN }, data: { ttl: TOKEN } }),
  throws: ({ headers, body }) => {
    const text = `${JSON.stringify(headers)} ${Buffer.from(body)}`;
    throw Object.assign(new Error(text, { cause: new Error(text) }), { text });
  },
};

/** Everything that printing can reach. */
function printed(value: unknown): string {
  const cause = value instanceof Error ? printed(value.cause) : "";
  const everything = { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true, showProxy: true };
  const json = JSON.stringify(value) ?? "";
  const text = typeof value === "object" ? `${value}` : "";
  const stack = value instanceof Error ? `${value.message} ${value.stack}` : "";
  return [inspect(value, everything), inspect(value), json, text, stack, cause].join("\n");
}

/** Drives a credential through its states, and collects its output. */
async function life(credential: Credential, answer: Answer): Promise<unknown[]> {
  const given: unknown[] = [];
  const attempt = async (work: () => Promise<unknown>) => {
    given.push(await work().catch((error: unknown) => error));
  };
  const lease = () => credential.lease(patient);
  await attempt(lease);
  rig.answer = answer;
  await attempt(lease);
  await rig.clock.pass(11_000);
  await attempt(async () => credential.refused(await lease(), patient));
  await attempt(async () => credential.refused(await lease(), patient));
  await rig.clock.pass(120_000);
  await attempt(lease);
  given.push(credential, credential.containsSecret(Buffer.from(TOKEN)));
  await attempt(() => Promise.all([credential.close(), rig.clock.pass(2000)]));
  await attempt(lease);
  return [...given, credential, rig.events];
}

describe("the output of a credential contains no secret", () => {
  for (const [kind, config] of Object.entries(CONFIGS)) {
    for (const [name, answer] of Object.entries(ANSWERS)) {
      for (const first of new Set(["good", name])) {
        test(`${kind}: first ${first}, then ${name}`, async () => {
          rig.answer = ANSWERS[first] as Answer;
          const credential = rig.create(config(rig));
          const given = await life(credential, answer);
          for (const value of given) assert.doesNotMatch(printed(value), /CANARY/);
          assert.ok(given.length > 5 && rig.events.length > 0);
        });
      }
    }
  }

  test("control: the headers of a lease contain the secret", async () => {
    rig.answer = ANSWERS.good as Answer;
    const lease = await rig.create(CONFIGS.login?.(rig) as CredentialConfig).lease(patient);
    const { headers } = lease.sign({
      method: "GET",
      path: "/",
      headers: { "x-token": "own" },
      body: new Uint8Array(),
    });
    assert.deepEqual(headers, { "x-token": TOKEN });
    assert.match(printed(headers), /CANARY/);
    assert.match(rig.bodies.join(), /CANARY-password/);
  });
});

test("a secret prints as [secret] wherever it is", () => {
  const secret = Secret.of("CANARY");
  const holder = { secret, list: [secret], map: new Map([["secret", secret]]) };
  assert.doesNotMatch(printed(holder), /CANARY/);
  assert.equal(`${secret} ${JSON.stringify(secret)} ${inspect(secret)}`, '[secret] "[secret]" [secret]');
  // A copy as structuredClone and a message to another thread make it.
  assert.doesNotMatch(serialize(Object.assign(Object.create(null), secret)).toString("latin1"), /CANARY/);
});
