/**
 * Keys and tokens of AWS do not appear in anything that a log, an audit record, an error or a guest could receive, whatever the services
 * answer: each secret here contains CANARY, and all output of a credential is printed in every way that Node offers.
 */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { printed, testCanaries } from "../../../../../test/support/canary.ts";
import { json, patient, Rig } from "../../../../../test/support/credential.ts";
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

describe("the output of an AWS credential contains no secret", () => {
  testCanaries({
    rig: () => rig,
    configs: Object.fromEntries(
      Object.entries(CONFIGS).map(([name, config]) => [
        name,
        () => ({ kind: "aws", region: "eu-central-1", ...config() }) as CredentialConfig,
      ]),
    ),
    good,
    refusal: (text) => ({
      __type: "InvalidSignatureException",
      message: text,
      Error: { Code: text, Message: text },
    }),
    answers: {
      "bad keys": () => json({ ...KEYS, SecretAccessKey: `${SECRET}\n`, Token: TOKEN, Expiration: "CANARY" }),
    },
  });

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
