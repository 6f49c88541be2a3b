/** Secrets and tokens of Azure do not appear in anything that a log, an audit record, an error or a guest could receive: test/support/canary.ts. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { printed, testCanaries } from "../../../../../test/support/canary.ts";
import { Authority } from "../../../../../test/support/certificates.ts";
import { headersOf, json, patient, Rig } from "../../../../../test/support/credential.ts";
import type { CredentialConfig } from "../grant.ts";

const TOKEN = "eyJ.CANARY.token";
const folder = mkdtempSync(join(tmpdir(), "kleidi-azure-"));
let pem = "";
let rig: Rig;
before(() => {
  const { cert, key } = new Authority(join(folder, "ca")).server("CANARY-app", { rsa: 2048 });
  pem = readFileSync(cert, "utf8") + readFileSync(key, "utf8");
});
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());
after(() => rmSync(folder, { recursive: true }));

const application = (source: string, content: string, mode = 0o600) => ({
  kind: "azure",
  source,
  tenant: "11111111-2222-3333-4444-555555555555",
  client: "66666666-7777-8888-9999-000000000000",
  file: rig.secret("file", content, mode),
  login: "https://login.microsoftonline.com:443",
});
const machine = { kind: "azure", source: "managed-identity", endpoint: "http://169.254.169.254" };
const CONFIGS: Readonly<Record<string, () => object>> = {
  "a client secret": () => application("client-secret", "CANARY~secret"),
  "a certificate": () => application("client-certificate", pem),
  "a broken certificate": () => application("client-certificate", pem.slice(0, -200)),
  "a workload identity": () => application("workload-identity", "eyJ.CANARY.workload", 0o644),
  "a machine": () => machine,
};
const good = () => json({ access_token: TOKEN, expires_in: 60, token_type: "Bearer" });

describe("the output of an Azure credential contains no secret", () => {
  testCanaries({
    rig: () => rig,
    configs: CONFIGS as Record<string, () => CredentialConfig>,
    good,
    refusal: (text) => ({ error: text, error_description: text, error_codes: [text] }),
    answers: {
      "a bad token": () => json({ access_token: `${TOKEN}\n`, expires_in: "CANARY" }),
      "a refusal with a number": (request) =>
        json(
          {
            error: "invalid_client",
            error_description: Buffer.from(request.body).toString(),
            error_codes: [7000215],
          },
          401,
        ),
    },
  });

  test("control: a request has the token, and answers with it are found", async () => {
    rig.other = async () => good();
    const credential = rig.create(machine as CredentialConfig);
    const { authorization } = headersOf(await credential.lease(patient));
    assert.equal(authorization, `Bearer ${TOKEN}`);
    assert.match(printed(authorization), /CANARY/);
    assert.equal(credential.containsSecret(Buffer.from(`<${TOKEN}>`)), true);
  });
});
