/** The requests of an Azure credential and its refusals. The states of a token are those of any issued one: ../gcp/credential.test.ts. */
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { Authority } from "../../../../../test/support/certificates.ts";
import { headersOf, json, patient, Rig } from "../../../../../test/support/credential.ts";
import {
  type Credential,
  CredentialRefused,
  type Request,
  type Response,
  Unreachable,
} from "../../exchange.ts";
import type { CredentialConfig } from "../grant.ts";
import { certificateFault } from "./certificate.ts";

const TENANT = "11111111-2222-3333-4444-555555555555";
const CLIENT = "66666666-7777-8888-9999-000000000000";
const LOGIN = "https://login.microsoftonline.com:443";
const METADATA = "http://169.254.169.254";

const folder = mkdtempSync(join(tmpdir(), "kleidi-azure-"));
let authority: Authority;
let pem = "";
before(() => {
  authority = new Authority(join(folder, "ca"));
  pem = pemOf("app", 2048);
});
after(() => rmSync(folder, { recursive: true }));
function pemOf(name: string, rsa?: number): string {
  const { cert, key } = authority.server(name, rsa === undefined ? {} : { rsa });
  return readFileSync(cert, "utf8") + readFileSync(key, "utf8");
}

let rig: Rig;
let asked: string[];
let form: Record<string, string>;
let serve: () => Response;
beforeEach(() => {
  rig = new Rig();
  asked = [];
  serve = () => json({ access_token: "token-1", expires_in: 3600, token_type: "Bearer" });
  rig.other = async (origin, request) => {
    asked.push(`${request.method} ${origin}${request.path}`);
    form = formOf(request);
    return serve();
  };
});
afterEach(() => rig.remove());

const formOf = ({ body }: Request) => Object.fromEntries(new URLSearchParams(Buffer.from(body).toString()));
const create = (config: object) => rig.create({ kind: "azure", ...config } as CredentialConfig);
const application = (source: string, content: string, more: object = {}) =>
  create({
    source,
    tenant: TENANT,
    client: CLIENT,
    file: rig.secret("file", content),
    login: LOGIN,
    ...more,
  });
const tokenOf = async (credential: Credential) => headersOf(await credential.lease(patient)).authorization;
const COMMON = {
  client_id: CLIENT,
  grant_type: "client_credentials",
  scope: "https://vault.azure.net/.default",
};
const ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

describe("a token", () => {
  test("of a client secret, for the resource of the configuration", async () => {
    assert.equal(await tokenOf(application("client-secret", "a~secret\n")), "Bearer token-1");
    assert.deepEqual(asked, [`POST ${LOGIN}/${TENANT}/oauth2/v2.0/token`]);
    assert.deepEqual(form, { ...COMMON, client_secret: "a~secret" });
    await tokenOf(application("client-secret", "a", { resource: "https://managedhsm.azure.net" }));
    assert.equal(form.scope, "https://managedhsm.azure.net/.default");
  });

  test("of a workload identity", async () => {
    await tokenOf(application("workload-identity", "eyJ.workload"));
    assert.deepEqual(form, { ...COMMON, client_assertion_type: ASSERTION, client_assertion: "eyJ.workload" });
  });

  test("of a certificate, by an assertion that names its thumbprint", async () => {
    await tokenOf(application("client-certificate", pem));
    const [header, claims] = String(form.client_assertion)
      .split(".", 2)
      .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
    const thumbprint = createHash("sha256").update(new X509Certificate(pem).raw).digest("base64url");
    assert.deepEqual(header, { alg: "PS256", typ: "JWT", "x5t#S256": thumbprint });
    const { jti, ...rest } = claims;
    const nbf = Math.floor(rig.clock.date() / 1000) - 10;
    const aud = `https://login.microsoftonline.com/${TENANT}/oauth2/v2.0/token`;
    assert.deepEqual(rest, { aud, exp: nbf + 600, iat: nbf, iss: CLIENT, nbf, sub: CLIENT });
    assert.match(jti, /^[0-9a-f-]{36}$/);
  });

  test("of a machine, with its life in words", async () => {
    serve = () => json({ access_token: "token-1", expires_in: "86399", token_type: "Bearer" });
    const machine = { source: "managed-identity", endpoint: METADATA };
    await tokenOf(create(machine));
    await tokenOf(create({ ...machine, client: CLIENT }));
    const path = `GET ${METADATA}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net`;
    assert.deepEqual(asked, [path, `${path}&client_id=${CLIENT}`]);
    assert.equal(rig.events[0]?.expires, rig.clock.date() + 86_399_000);
  });
});

describe("a refusal", () => {
  const messageOf = async (credential: Credential) => {
    const error = await credential.lease(patient).then(
      () => assert.fail("it has a token"),
      (error: unknown) => error,
    );
    assert.ok(error instanceof CredentialRefused, String(error));
    return error.message;
  };
  const refused = (number: number, date?: number) => () => ({
    ...json({ error: "invalid_client", error_codes: [number] }, 401),
    headers: date === undefined ? {} : { date: new Date(date).toUTCString() },
  });

  for (const [number, remedy] of [
    [7000215, "it must be the secret itself and not its id"],
    [7000222, "az ad app credential reset"],
    [700027, "is not one of the application"],
    [700016, "no such application in the tenant"],
    [90002, "look at credential.azure.login too"],
    [70021, "az ad app federated-credential list"],
    [1, "look at the client-secret in"],
  ] as const)
    test(`with the number ${number} has its remedy`, async () => {
      serve = refused(number);
      const message = await messageOf(application("client-secret", "a"));
      assert.ok(message.includes(`(401, AADSTS${number})`) && message.includes(remedy), message);
    });

  test("of a time names the difference between the clocks", async () => {
    serve = refused(700024, rig.clock.date() + 3_600_000);
    const message = await messageOf(application("client-certificate", pem));
    assert.match(message, /the clock of this machine is \d+ s behind/);
  });

  test("of a machine without an identity is told with the command", async () => {
    serve = () => json({ error: "invalid_request", error_description: "Identity not found" }, 400);
    const machine = { source: "managed-identity", endpoint: METADATA };
    assert.match(await messageOf(create(machine)), /az vm identity assign/);
    assert.match(await messageOf(create({ ...machine, client: CLIENT })), /is not assigned to the machine/);
  });
});

describe("a certificate file", () => {
  const cases: readonly (readonly [string, () => string, string | undefined])[] = [
    ["that is good", () => pem, undefined],
    [
      "with the key first",
      () =>
        pem
          .split(/(?=-----BEGIN (?:RSA )?PRIVATE)/)
          .reverse()
          .join(""),
      undefined,
    ],
    ["without a certificate", () => "x", "it has no certificate in PEM"],
    [
      "without a key",
      () => pem.split(/(?=-----BEGIN (?:RSA )?PRIVATE)/)[0] ?? "",
      "it has no private key in PEM beside the certificate",
    ],
    ["with a key on a curve", () => pemOf("curve"), "its key is not an RSA key of 2048 bits or more"],
    ["with a short key", () => pemOf("short", 1024), "its key is not an RSA key of 2048 bits or more"],
    [
      "with the key of another one",
      () =>
        [pem, pemOf("other", 2048)]
          .map((each, i) => each.split(/(?=-----BEGIN (?:RSA )?PRIVATE)/)[i])
          .join(""),
      "its key is not that of its certificate",
    ],
  ];
  for (const [name, text, fault] of cases) test(name, () => assert.equal(certificateFault(text()), fault));
});

test("any answer of a service gives a lease or an Unreachable that quotes nothing", async () => {
  // Not letters alone: the code of an error is quoted.
  const MARK = "CANARY-CANARY-CANARY";
  const value = fc.oneof(fc.string(), fc.constant(MARK), fc.double(), fc.constant(null), fc.constant(3600));
  const document = fc.record(
    { access_token: value, expires_in: value, error: value, error_codes: fc.array(value) },
    { requiredKeys: [] },
  );
  const response = fc.record({
    status: fc.constantFrom(200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500),
    headers: fc.constantFrom({ date: MARK }, {}),
    body: fc
      .oneof(
        document.map((each) => JSON.stringify(each)),
        fc.string(),
      )
      .map((text) => Buffer.from(text)),
  });
  await fc.assert(
    fc.asyncProperty(response, fc.boolean(), async (answer, ofMachine) => {
      serve = () => answer;
      const credential = ofMachine
        ? create({ source: "managed-identity", endpoint: METADATA })
        : application("client-secret", "a~secret");
      const got = await credential.lease(patient).catch((error: unknown) => error);
      if (got instanceof Error)
        assert.ok(got instanceof Unreachable && !got.message.includes(MARK), String(got));
      await credential.close();
    }),
    { numRuns: 200 },
  );
});
