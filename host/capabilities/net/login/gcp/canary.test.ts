/** Keys and tokens of Google do not appear in anything that a log, an audit record, an error or a guest could receive: test/support/canary.ts. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { accountKeyFile } from "../../../../../test/support/account-key.ts";
import { printed, testCanaries } from "../../../../../test/support/canary.ts";
import { headersOf, json, patient, Rig } from "../../../../../test/support/credential.ts";
import type { Request, Response } from "../../exchange.ts";
import type { CredentialConfig } from "../grant.ts";

const TOKEN = "ya29.CANARY-token";
const EMAIL = "kek@kleidi-test.iam.gserviceaccount.com";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());

const account = () => ({
  kind: "gcp",
  source: "service-account",
  file: rig.secret("key.json", accountKeyFile(EMAIL, "abc", "https://CANARY.example/token")),
  oauth: "https://oauth2.googleapis.com:443",
});
const machine = { kind: "gcp", source: "metadata", endpoint: "http://169.254.169.254" };
const federated = () => ({
  kind: "gcp",
  source: "workload-identity",
  audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider",
  file: rig.secret("token", "eyJ.CANARY.workload", 0o644),
  sts: "https://sts.googleapis.com:443",
});
const CONFIGS: Readonly<Record<string, () => object>> = {
  "a service account": account,
  "a broken key": () => ({ ...account(), file: rig.secret("key.json", '{"type":"service_account", CANARY') }),
  "a key of another kind": () => ({
    ...account(),
    file: rig.secret("key.json", JSON.stringify({ type: "service_account", private_key: "CANARY" })),
  }),
  metadata: () => machine,
  "a workload identity as an account": () => ({
    ...federated(),
    impersonate: EMAIL,
    iam: "https://iamcredentials.googleapis.com:443",
  }),
  "a workload identity in JSON": () => ({
    ...federated(),
    file: rig.secret("token", '{"id_token":"eyJ.CANARY.workload"}', 0o644),
    field: "id_token",
  }),
};

/** As the services answer. */
function good({ path }: Request): Response {
  const headers = { "metadata-flavor": "Google" };
  if (path.endsWith(":generateAccessToken"))
    return json({ accessToken: TOKEN, expireTime: new Date(rig.clock.date() + 60_000).toISOString() });
  return { ...json({ access_token: TOKEN, expires_in: 60, token_type: "Bearer" }), headers };
}

describe("the output of a Google credential contains no secret", () => {
  testCanaries({
    rig: () => rig,
    configs: CONFIGS as Record<string, () => CredentialConfig>,
    good,
    refusal: (text) => ({ error: { code: text, message: text, status: text }, error_description: text }),
    answers: {
      "a bad token": () => json({ access_token: `${TOKEN}\n`, expires_in: "CANARY" }),
      "an error of one text": (request) => json({ error: Buffer.from(request.body).toString() }, 400),
    },
  });

  test("control: a request has the token, and answers with it are found", async () => {
    rig.other = async (_, request) => good(request);
    const credential = rig.create(machine as CredentialConfig);
    const { authorization } = headersOf(await credential.lease(patient));
    assert.equal(authorization, `Bearer ${TOKEN}`);
    assert.match(printed(authorization), /CANARY/);
    assert.equal(credential.containsSecret(Buffer.from(`<${TOKEN}>`)), true);
  });
});
