/**
 * Keys and tokens of AWS do not appear in anything that a log, an audit record, an error or a guest could receive, whatever the services
 * answer: each secret here contains CANARY, and all output of a credential is printed in every way that Node offers.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { inspect } from "node:util";
import { serialize } from "node:v8";
import { type Answer, down, json, patient, Rig } from "../../../../../test/support/credential.ts";
import type { Request, Response } from "../../exchange.ts";
import type { CredentialConfig } from "../grant.ts";

const SECRET = "CANARY/secret+access/key0000000000000000";
const TOKEN = "CANARY-session-token";
const STS = "https://sts.eu-central-1.amazonaws.com:443";
const ROLE = "arn:aws:iam::111122223333:role/kek";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());

const CONFIGS: Readonly<Record<string, () => object>> = {
  keys: () => ({
    source: "keys",
    accessKeyId: "AKIAIOSFODNN7EXAMPLE",
    secretAccessKey: { file: rig.secret("secret", SECRET) },
  }),
  "a profile": () => ({
    source: "profile",
    file: rig.secret(
      "credentials",
      `[default]\naws_access_key_id=AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=${SECRET}\naws_session_token=${TOKEN}\n`,
    ),
  }),
  "a broken profile": () => ({
    source: "profile",
    file: rig.secret("credentials", `[default]\naws_secret_access_key = CANARY x\nCANARY\n`),
  }),
  instance: () => ({ source: "instance", endpoint: "http://169.254.169.254" }),
  container: () => ({
    source: "container",
    endpoint: "http://169.254.170.23/v1/credentials",
    file: rig.secret("token", "CANARY-pod-token", 0o644),
  }),
  "web identity and a role": () => ({
    source: "web-identity",
    role: ROLE,
    file: rig.secret("token", "eyJ.CANARY.web", 0o644),
    sts: STS,
    assume: [{ role: ROLE }],
  }),
};

const KEYS = { AccessKeyId: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: SECRET };

/** As the services answer. */
function good({ path, body }: Request): Response {
  const Expiration = new Date(rig.clock.date() + 60_000).toISOString();
  if (path === "/latest/api/token") return { ...json(""), body: Buffer.from("CANARY-metadata-session") };
  if (path.endsWith("security-credentials/")) return { ...json(""), body: Buffer.from("node-role") };
  if (path !== "/") return json({ ...KEYS, Token: TOKEN, Expiration });
  const action = new URLSearchParams(Buffer.from(body).toString()).get("Action");
  const Credentials = { ...KEYS, SessionToken: TOKEN, Expiration: (rig.clock.date() + 60_000) / 1000 };
  return json({ [`${action}Response`]: { [`${action}Result`]: { Credentials } } });
}

/** A server that echoes the request in every place where an answer has one. */
const echo = (status: number) => (request: Request) => {
  const text = `${JSON.stringify(request.headers)} ${Buffer.from(request.body)}`;
  const body = JSON.stringify({
    __type: "InvalidSignatureException",
    message: text,
    Error: { Code: text, Message: text },
  });
  return { status, headers: { date: text, "x-echo": text }, body: Buffer.from(body) };
};
const ANSWERS: Readonly<Record<string, Answer>> = {
  good,
  down,
  "echo 200": echo(200),
  "echo 400": echo(400),
  "echo 403": echo(403),
  "echo 500": echo(500),
  "bad keys": () => json({ ...KEYS, SecretAccessKey: `${SECRET}\n`, Token: TOKEN, Expiration: "CANARY" }),
  throws: (request) => {
    const text = `${JSON.stringify(request.headers)} ${Buffer.from(request.body)} CANARY`;
    throw Object.assign(new Error(text, { cause: new Error(text) }), { text });
  },
};

function printed(value: unknown): string {
  const everything = { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true, showProxy: true };
  const error = value instanceof Error ? `${value.message} ${value.stack} ${printed(value.cause)}` : "";
  return [inspect(value, everything), JSON.stringify(value) ?? "", String(value), error].join("\n");
}

describe("the output of an AWS credential contains no secret", () => {
  for (const [kind, config] of Object.entries(CONFIGS)) {
    for (const [name, answer] of Object.entries(ANSWERS)) {
      test(`${kind}, ${name}`, async () => {
        const credential = rig.create({
          kind: "aws",
          region: "eu-central-1",
          ...config(),
        } as CredentialConfig);
        const given: unknown[] = [];
        const attempt = async (work: () => Promise<unknown>) => {
          given.push(await work().catch((error: unknown) => error));
        };
        rig.other = async (_, request) => good(request);
        await attempt(() => credential.lease(patient));
        rig.other = async (_, request) => answer(request);
        await rig.clock.pass(11_000);
        const request = { method: "POST", path: "/", headers: {}, body: new Uint8Array() };
        await attempt(async () =>
          credential.refused(await credential.lease(patient), patient, echo(400)(request)),
        );
        await rig.clock.pass(120_000);
        await attempt(() => credential.lease(patient));
        given.push(credential, rig.events);
        await credential.close();
        await attempt(() => credential.lease(patient));
        for (const value of given) assert.doesNotMatch(printed(value), /CANARY/);
        assert.doesNotMatch(serialize(rig.events).toString("latin1"), /CANARY/);
        assert.ok(rig.events.length > 0);
      });
    }
  }

  test("control: a signed request has the session token, and never the secret key", async () => {
    rig.other = async (_, request) => good(request);
    const credential = rig.create({
      ...{ kind: "aws", region: "eu-central-1", source: "instance", endpoint: "http://169.254.169.254" },
    } as CredentialConfig);
    const lease = await credential.lease(patient);
    const { headers } = lease.sign({ method: "POST", path: "/", headers: {}, body: Buffer.from("{}") });
    assert.equal(headers["x-amz-security-token"], TOKEN);
    assert.ok(!printed(headers).includes(SECRET));
    assert.equal(credential.containsSecret(Buffer.from(`<${TOKEN}>`)), true);
    assert.equal(credential.containsSecret(Buffer.from(JSON.stringify({ a: SECRET }))), true);
  });
});
