/** The states of a Google credential, on a clock that the test advances. test/gcp does it with the stand-in for the services. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import fc from "fast-check";
import { accountKeyFile } from "../../../../../test/support/account-key.ts";
import { headersOf, json, patient, Rig } from "../../../../../test/support/credential.ts";
import {
  type Credential,
  CredentialRefused,
  type Request,
  type Response,
  Unreachable,
} from "../../exchange.ts";
import type { CredentialConfig } from "../grant.ts";
import { accountKeyFault } from "./account-key.ts";

const OAUTH = "https://oauth2.googleapis.com:443";
const STS = "https://sts.googleapis.com:443";
const IAM = "https://iamcredentials.googleapis.com:443";
const METADATA = "http://169.254.169.254";
const AUDIENCE =
  "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider";
const EMAIL = "kek@kleidi-test.iam.gserviceaccount.com";
const HOUR_MS = 3_600_000;

let rig: Rig;
/** The requests to other servers, as "METHOD origin path". */
let asked: string[];
let serve: (request: Request) => Response | Promise<Response>;
beforeEach(() => {
  rig = new Rig();
  asked = [];
  let number = 0;
  serve = () => google({ access_token: `token-${++number}`, expires_in: 3600, token_type: "Bearer" });
  rig.other = async (origin, request) => {
    asked.push(`${request.method} ${origin}${request.path}`);
    return await serve(request);
  };
});
afterEach(() => rig.remove());

const google = (body: unknown, status = 200): Response => ({
  ...json(body, status),
  headers: { "metadata-flavor": "Google", date: new Date(rig.clock.date()).toUTCString() },
});
const create = (config: object) => rig.create({ kind: "gcp", ...config } as CredentialConfig);
const machine = () => create({ source: "metadata", endpoint: METADATA });
const account = () => {
  const file = rig.secret("key.json", accountKeyFile(EMAIL, "abc", "https://elsewhere.example/token"));
  return create({ source: "service-account", file, oauth: OAUTH });
};
const federated = (more: object = {}, token = "eyJ.token") =>
  create({
    source: "workload-identity",
    audience: AUDIENCE,
    file: rig.secret("token", token, 0o644),
    sts: STS,
    ...more,
  });
const tokenOf = async (credential: Credential) => headersOf(await credential.lease(patient)).authorization;
const formOf = ({ body }: Request) => Object.fromEntries(new URLSearchParams(Buffer.from(body).toString()));

describe("a token", () => {
  test("is asked for once by callers that come together, and replaced at two thirds of its life", async () => {
    const credential = machine();
    const tokens = await Promise.all(Array.from({ length: 8 }, () => tokenOf(credential)));
    assert.deepEqual(new Set(tokens), new Set(["Bearer token-1"]));
    await rig.clock.pass(HOUR_MS / 2);
    assert.equal(await tokenOf(credential), "Bearer token-1");
    await rig.clock.pass(HOUR_MS / 4);
    assert.equal(await tokenOf(credential), "Bearer token-2");
    assert.deepEqual(rig.kinds(), ["login", "login"]);
    const scopes = "?scopes=https://www.googleapis.com/auth/cloudkms";
    const path = `GET ${METADATA}/computeMetadata/v1/instance/service-accounts/default/token${scopes}`;
    assert.deepEqual(asked, [path, path]);
  });

  test("is used to its end while the service is down, and not beyond", async () => {
    const credential = machine();
    await tokenOf(credential);
    serve = () => google("", 500);
    await rig.clock.pass(HOUR_MS - 60_000);
    assert.equal(await tokenOf(credential), "Bearer token-1");
    await rig.clock.pass(60_000);
    await assert.rejects(credential.lease(patient), Unreachable);
  });

  test("that is refused is replaced, unless it is fresh; a 403 refuses none", async () => {
    const credential = machine();
    const lease = await credential.lease(patient);
    assert.equal(credential.isRefusal?.(google({}, 403)), false);
    assert.equal(credential.isRefusal?.(google({}, 401)), true);
    assert.equal(await credential.refused(lease, patient, google({}, 401)), false);
    await rig.clock.pass(11_000);
    const all = await Promise.all(Array.from({ length: 4 }, () => credential.refused(lease, patient)));
    assert.deepEqual(all, [true, true, true, true]);
    assert.deepEqual(rig.kinds(), ["login", "refused", "login"]);
  });

  test("replaces an authorization of the request", async () => {
    const lease = await machine().lease(patient);
    const request = { method: "GET", path: "/", headers: { authorization: "x" }, body: new Uint8Array() };
    assert.equal(lease.sign(request).headers.authorization, "Bearer token-1");
  });

  const strange: readonly (readonly [string, object])[] = [
    ["no text", { access_token: 1, expires_in: 3600 }],
    ["a line break", { access_token: "a\r\nx: y", expires_in: 3600 }],
    ["no end", { access_token: "a" }],
    ["an end in words", { access_token: "a", expires_in: "soon" }],
    ["an end at once", { access_token: "a", expires_in: 9 }],
  ];
  for (const [name, body] of strange)
    test(`with ${name} is not used`, async () => {
      serve = () => google(body);
      await assert.rejects(machine().lease(patient), Unreachable);
      assert.deepEqual(rig.kinds(), ["failed"]);
    });

  test("is not taken from a server that is not a metadata service", async () => {
    serve = () => json({ access_token: "a", expires_in: 3600 });
    await assert.rejects(machine().lease(patient), /not answered by a metadata service of Google$/);
  });

  test("has a life of a day at most", async () => {
    serve = () => google({ access_token: "a", expires_in: 1e9 });
    await tokenOf(machine());
    assert.equal(rig.events[0]?.expires, rig.clock.date() + 24 * HOUR_MS);
  });
});

describe("the sources", () => {
  test("of a service account: an assertion for the configured endpoint, not for that of the file", async () => {
    let form: Record<string, string> = {};
    const answer = serve;
    serve = (request) => {
      form = formOf(request);
      return answer(request);
    };
    assert.equal(await tokenOf(account()), "Bearer token-1");
    assert.deepEqual(asked, [`POST ${OAUTH}/token`]);
    assert.equal(form.grant_type, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const [header, claims] = String(form.assertion)
      .split(".")
      .map((part) => Buffer.from(part, "base64url").toString());
    const iat = Math.floor(rig.clock.date() / 1000) - 10;
    assert.deepEqual(JSON.parse(String(header)), { alg: "RS256", typ: "JWT", kid: "abc" });
    assert.deepEqual(JSON.parse(String(claims)), {
      ...{ iss: EMAIL, scope: "https://www.googleapis.com/auth/cloudkms" },
      ...{ aud: "https://oauth2.googleapis.com/token", exp: iat + 3600, iat },
    });
  });

  test("of a workload identity, that acts as an account", async () => {
    const answer = serve;
    const forms: object[] = [];
    serve = (request) => {
      if (!request.path.endsWith(":generateAccessToken")) {
        forms.push(formOf(request));
        return answer(request);
      }
      assert.equal(request.headers.authorization, "Bearer token-1");
      forms.push(JSON.parse(Buffer.from(request.body).toString()));
      const expireTime = new Date(rig.clock.date() + HOUR_MS).toISOString();
      return google({ accessToken: "impersonated", expireTime });
    };
    const credential = federated(
      { impersonate: EMAIL, iam: IAM, field: "id_token" },
      '{"id_token":"eyJ.json"}',
    );
    assert.equal(await tokenOf(credential), "Bearer impersonated");
    const urn = "urn:ietf:params:oauth";
    assert.deepEqual(forms, [
      {
        audience: AUDIENCE,
        grant_type: `${urn}:grant-type:token-exchange`,
        requested_token_type: `${urn}:token-type:access_token`,
        scope: "https://www.googleapis.com/auth/cloud-platform",
        subject_token: "eyJ.json",
        subject_token_type: `${urn}:token-type:jwt`,
      },
      { scope: ["https://www.googleapis.com/auth/cloudkms"], lifetime: "3600s" },
    ]);
    assert.deepEqual(asked, [
      `POST ${STS}/v1/token`,
      `POST ${IAM}/v1/projects/-/serviceAccounts/${EMAIL}:generateAccessToken`,
    ]);
  });
});

describe("a refusal", () => {
  const messageOf = async (credential: Credential) => {
    const error: Error = await credential.lease(patient).then(
      () => assert.fail("it has a token"),
      (error: Error) => error,
    );
    assert.ok(error instanceof CredentialRefused, String(error));
    return error.message;
  };

  test("of a key names the account and the command that lists its keys", async () => {
    serve = () => google({ error: "invalid_grant", error_description: "Invalid JWT Signature." }, 400);
    const message = await messageOf(account());
    assert.match(message, /refused \(400, invalid_grant\): the key in .*key\.json was deleted, disabled/);
    assert.match(message, new RegExp(`--iam-account=${EMAIL}`));
  });

  test("of a time names the difference between the clocks", async () => {
    serve = () => {
      const date = new Date(rig.clock.date() + HOUR_MS).toUTCString();
      return { ...google({ error: "invalid_grant" }, 400), headers: { date } };
    };
    assert.match(await messageOf(account()), /the clock of this machine is \d+ s behind that of the server/);
  });

  test("of a token of another issuer names its file and the pool", async () => {
    serve = () => google({ error: "invalid_grant" }, 400);
    assert.match(await messageOf(federated()), /look at the token in .*token .* the condition of \/\/iam/);
  });

  test("to act as an account prints the role, for the principal of the token", async () => {
    const answer = serve;
    serve = (request) =>
      request.path.endsWith("Token")
        ? google({ error: { status: "PERMISSION_DENIED" } }, 403)
        : answer(request);
    const claims = Buffer.from(JSON.stringify({ sub: "system:serviceaccount:kms:kleidi" })).toString(
      "base64url",
    );
    const pool = "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool";
    const member = `--member=${pool}/subject/system:serviceaccount:kms:kleidi `;
    const message = await messageOf(federated({ impersonate: EMAIL, iam: IAM }, `eyJ.${claims}.sig`));
    assert.ok(message.includes(member), message);
    assert.ok(message.endsWith("--role=roles/iam.serviceAccountTokenCreator"), message);
    const other = await messageOf(federated({ impersonate: EMAIL, iam: IAM }, "opaque"));
    assert.ok(other.includes(`--member=${pool.replace("principal", "principalSet")}/* `), other);
  });

  test("of a machine without an account is told with the command", async () => {
    serve = () => google("", 404);
    assert.match(await messageOf(machine()), /no service account; attach one \(gcloud compute instances/);
  });

  test("is none while a service is overloaded", async () => {
    serve = () => google({}, 429);
    const error = await account()
      .lease(patient)
      .catch((error: unknown) => error);
    assert.ok(error instanceof Unreachable && !(error instanceof CredentialRefused));
  });
});

describe("a key file", () => {
  const good = JSON.parse(accountKeyFile(EMAIL, "abc", "https://elsewhere.example/token"));
  const cases: readonly (readonly [string, object, string])[] = [
    ["of a workload identity", { type: "external_account" }, "with source: workload-identity"],
    ["of a user", { type: "authorized_user" }, "it is not the key of a service account"],
    ["without an account", { client_email: 1 }, "it has no client_email"],
    ["with an account of two lines", { client_email: "a@b\nc" }, "it has no client_email"],
    ["without an id", { private_key_id: "" }, "it has no private_key_id"],
    ["with another key", { private_key: "x" }, "it has no RSA key of 2048 bits or more as its private_key"],
  ];
  for (const [name, change, fault] of cases)
    test(`${name} is refused`, () => {
      assert.ok(accountKeyFault(JSON.stringify({ ...good, ...change }))?.endsWith(fault));
    });

  test("that is good has no fault", () => assert.equal(accountKeyFault(JSON.stringify(good)), undefined));

  test("of any text has a fault, and never throws", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => accountKeyFault(text) !== undefined));
  });
});

test("any answer of a service gives a lease or an Unreachable that quotes nothing", async () => {
  // Not letters alone: the code of an error is quoted.
  const MARK = "CANARY-CANARY-CANARY";
  const value = fc.oneof(fc.string(), fc.constant(MARK), fc.double(), fc.constant(null), fc.constant(3600));
  const document = fc.record(
    { access_token: value, accessToken: value, expires_in: value, expireTime: value, error: value },
    { requiredKeys: [] },
  );
  const response = fc.record({
    status: fc.constantFrom(200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500),
    headers: fc.constantFrom(
      { "metadata-flavor": "Google" },
      { date: MARK, "metadata-flavor": "Google" },
      {},
    ),
    body: fc
      .oneof(
        document.map((each) => JSON.stringify(each)),
        fc.string(),
      )
      .map((text) => Buffer.from(text)),
  });
  const configs = [account, machine, () => federated({ impersonate: EMAIL, iam: IAM })];
  await fc.assert(
    fc.asyncProperty(
      fc.array(response, { minLength: 1, maxLength: 3 }),
      fc.nat(2),
      async (answers, which) => {
        let next = 0;
        serve = () => answers[next++ % answers.length] as Response;
        const credential = (configs[which] ?? machine)();
        const got = await credential.lease(patient).catch((error: unknown) => error);
        if (got instanceof Error)
          assert.ok(got instanceof Unreachable && !got.message.includes(MARK), String(got));
        assert.ok(next <= 2);
        await credential.close();
      },
    ),
    { numRuns: 300 },
  );
});
