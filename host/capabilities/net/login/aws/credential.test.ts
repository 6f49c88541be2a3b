/** The states of an AWS credential, on a clock that the test advances. test/aws/login.test.ts does it with the stand-in for the services. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { headersOf, json, patient, Rig } from "../../../../../test/support/credential.ts";
import { type Credential, type Request, type Response, Unreachable } from "../../exchange.ts";
import type { CredentialConfig } from "../grant.ts";

const METADATA = "http://169.254.169.254";
const STS = "https://sts.eu-central-1.amazonaws.com:443";
const HOUR_MS = 3_600_000;

let rig: Rig;
/** The requests to other servers, as "METHOD origin path". */
let asked: string[];
/** Answers for each origin. */
let services: Record<string, (request: Request) => Response | Promise<Response>>;

beforeEach(() => {
  rig = new Rig();
  asked = [];
  services = {};
  rig.other = async (origin, request) => {
    asked.push(`${request.method} ${origin}${request.path}`);
    const answer = services[origin] ?? assert.fail(`nobody may ask ${origin}`);
    return await answer(request);
  };
});
afterEach(() => rig.remove());

const create = (config: object) =>
  rig.create({ kind: "aws", region: "eu-central-1", ...config } as CredentialConfig);
const instance = () => create({ source: "instance", endpoint: METADATA });
const dated = (response: Response): Response => ({
  ...response,
  headers: { ...response.headers, date: new Date(rig.clock.date()).toUTCString() },
});
const text = (body: string, status = 200): Response => ({ status, headers: {}, body: Buffer.from(body) });

/** Keys whose id ends in a number. */
function keys(number: number, lifeMs: number): object {
  return {
    AccessKeyId: `ASIAEXAMPLE${String(number).padStart(9, "0")}`,
    SecretAccessKey: "s".repeat(40),
    Token: `token-${number}`,
    Expiration: new Date(rig.clock.date() + lifeMs).toISOString(),
  };
}

/** A metadata service: `credentials` answers the last of its three requests. */
function serveMetadata(credentials: () => Response): void {
  services[METADATA] = ({ path }) => {
    if (path === "/latest/api/token") return text("session");
    if (path.endsWith("/security-credentials/")) return text("node-role");
    return dated(credentials());
  };
}

/** The session token that a lease sends, which names the keys. */
const tokenOf = async (credential: Credential) =>
  headersOf(await credential.lease(patient))["x-amz-security-token"];
const refusal = (code: string, message = "", date = rig.clock.date()): Response => ({
  ...json({ __type: code, message }, 400),
  headers: { date: new Date(date).toUTCString() },
});

describe("keys of a machine", () => {
  test("are asked for once by callers that come together, and kept", async () => {
    serveMetadata(() => json(keys(1, 6 * HOUR_MS)));
    const credential = instance();
    const tokens = await Promise.all(Array.from({ length: 8 }, () => tokenOf(credential)));
    assert.deepEqual(new Set(tokens), new Set(["token-1"]));
    const path = "/latest/meta-data/iam/security-credentials/";
    assert.deepEqual(asked, [
      `PUT ${METADATA}/latest/api/token`,
      `GET ${METADATA}${path}`,
      `GET ${METADATA}${path}node-role`,
    ]);
    assert.deepEqual(rig.kinds(), ["login"]);
  });

  test("are replaced at two thirds of their life", async () => {
    let number = 0;
    serveMetadata(() => json(keys(++number, HOUR_MS)));
    const credential = instance();
    assert.equal(await tokenOf(credential), "token-1");
    await rig.clock.pass(HOUR_MS / 2);
    assert.equal(await tokenOf(credential), "token-1");
    await rig.clock.pass(HOUR_MS / 4);
    assert.equal(await tokenOf(credential), "token-2");
    assert.deepEqual(rig.kinds(), ["login", "login"]);
  });

  test("that the service still has are asked for again, ever more often, until it has others", async () => {
    const until = rig.clock.date() + HOUR_MS;
    serveMetadata(() => {
      const left = until - rig.clock.date();
      return json(left > 5 * 60_000 ? { ...keys(1, left) } : keys(2, HOUR_MS));
    });
    const credential = instance();
    await tokenOf(credential);
    await rig.clock.pass(HOUR_MS - 60_000);
    assert.equal(await tokenOf(credential), "token-2");
    assert.deepEqual(rig.kinds(), ["login", "login"]);
  });

  test("are used to their end while the service is down, and not beyond", async () => {
    serveMetadata(() => json(keys(1, HOUR_MS)));
    const credential = instance();
    await tokenOf(credential);
    services[METADATA] = () => text("", 500);
    await rig.clock.pass(HOUR_MS - 60_000);
    assert.equal(await tokenOf(credential), "token-1");
    await rig.clock.pass(60_000);
    await assert.rejects(credential.lease(patient), Unreachable);
    await assert.rejects(credential.lease(patient), Unreachable);
    serveMetadata(() => json(keys(2, HOUR_MS)));
    await rig.clock.pass(60_000);
    assert.equal(await tokenOf(credential), "token-2");
  });

  test("have a life by the clock of the service", async () => {
    const ahead = 40 * 24 * HOUR_MS;
    serveMetadata(() => json(keys(1, HOUR_MS + ahead)));
    const serve = services[METADATA];
    services[METADATA] = async (request) => {
      const { headers, ...answer } = (await serve?.(request)) ?? text("", 500);
      return { ...answer, headers: { date: new Date(rig.clock.date() + ahead).toUTCString() } };
    };
    await tokenOf(instance());
    const left = Number(rig.events[0]?.expires) - rig.clock.date();
    assert.ok(left >= HOUR_MS && left <= HOUR_MS + 1000, String(left));
  });

  const strange: readonly (readonly [string, object])[] = [
    ["no key id", { AccessKeyId: "a b" }],
    ["no secret", { SecretAccessKey: 1 }],
    ["no token", { Token: undefined }],
    ["a token with a line break", { Token: "a\r\nx: y" }],
    ["no end", { Expiration: "soon" }],
    ["an end in the past", { Expiration: "2001-01-01T00:00:00Z" }],
  ];
  for (const [name, change] of strange) {
    test(`with ${name} are not used`, async () => {
      serveMetadata(() => json({ ...keys(1, HOUR_MS), ...change }));
      await assert.rejects(instance().lease(patient), Unreachable);
      assert.deepEqual(rig.kinds(), ["failed"]);
    });
  }

  test("need a session with the service, which is renewed when it was forgotten", async () => {
    let sessions = 0;
    serveMetadata(() => json(keys(1, HOUR_MS)));
    const serve = services[METADATA];
    services[METADATA] = (request) => {
      if (request.method === "PUT") return text(`session-${++sessions}`);
      const own = request.headers["x-aws-ec2-metadata-token"] === "session-2";
      return own ? (serve?.(request) ?? text("")) : text("", 401);
    };
    assert.equal(await tokenOf(instance()), "token-1");
    assert.equal(sessions, 2);
  });
});

describe("a refusal", () => {
  test("of old keys leads to other keys, once for all callers", async () => {
    let number = 0;
    serveMetadata(() => json(keys(++number, HOUR_MS)));
    const credential = instance();
    const lease = await credential.lease(patient);
    await rig.clock.pass(11_000);
    const answer = refusal("com.amazonaws.kms#ExpiredTokenException");
    assert.equal(credential.isRefusal?.(answer), true);
    const all = await Promise.all(
      Array.from({ length: 4 }, () => credential.refused(lease, patient, answer)),
    );
    assert.deepEqual(all, [true, true, true, true]);
    assert.equal(await tokenOf(credential), "token-2");
    assert.deepEqual(rig.kinds(), ["login", "refused", "login"]);
  });

  test("of fresh keys, or of keys that the source still gives, leads to no second try", async () => {
    serveMetadata(() => json(keys(1, HOUR_MS)));
    const credential = instance();
    const lease = await credential.lease(patient);
    const answer = refusal("UnrecognizedClientException");
    assert.equal(await credential.refused(lease, patient, answer), false);
    await rig.clock.pass(11_000);
    assert.equal(await credential.refused(lease, patient, answer), false);
  });

  test("by a policy or of a ciphertext is none of the credential", () => {
    const credential = instance();
    for (const code of ["AccessDeniedException", "InvalidCiphertextException", "ThrottlingException"])
      assert.equal(credential.isRefusal?.(refusal(code)), false);
    assert.equal(credential.isRefusal?.(text("<html>", 403)), false);
    assert.equal(credential.isRefusal?.({ ...refusal("ExpiredTokenException"), status: 200 }), false);
  });
});

describe("the time of AWS", () => {
  const file = () => rig.secret("secret", "s".repeat(40));
  const credentialOf = () =>
    create({ source: "keys", accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: { file: file() } });
  const timeIn = async (credential: Credential) => headersOf(await credential.lease(patient))["x-amz-date"];
  const compact = (ms: number) => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");
  const late = (ms: number) =>
    refusal("InvalidSignatureException", "Signature expired: 1 is now earlier than 2", rig.clock.date() + ms);

  test("corrects that of signatures after a refusal, and is told once", async () => {
    const credential = credentialOf();
    const lease = await credential.lease(patient);
    const ahead = 10 * 60_000;
    assert.equal(await credential.refused(lease, patient, late(ahead)), true);
    const offset = Math.floor((rig.clock.date() + ahead) / 1000) * 1000;
    assert.equal(await timeIn(credential), compact(offset));
    // A caller whose request was on its way tries again too, and a later one does not.
    assert.equal(await credential.refused(lease, patient, late(ahead)), true);
    await rig.clock.pass(9_000);
    assert.equal(await credential.refused(lease, patient, late(ahead)), true);
    await rig.clock.pass(1_000);
    assert.equal(await credential.refused(lease, patient, late(ahead)), false);
    assert.equal(rig.events.filter(({ event }) => event === "refused").length, 1);
    assert.match(String(rig.events.at(-1)?.why), /^the clock of this machine is \d+ s behind that of AWS/);
  });

  test("is corrected by a refusal of STS too, and by one that writes Message", async () => {
    const message = "Signature not yet current: 2 is still later than 1";
    for (const body of [
      { Error: { Code: "SignatureDoesNotMatch", Message: message } },
      { __type: "InvalidSignatureException", Message: message },
    ]) {
      const credential = credentialOf();
      const answer = { ...json(body, 403), headers: late(-HOUR_MS / 2).headers };
      assert.equal(await credential.refused(await credential.lease(patient), patient, answer), true);
      assert.match(String(rig.events.at(-1)?.why), /s ahead of that of AWS/);
    }
  });

  for (const [name, ms] of [
    ["a far future", 2 * HOUR_MS],
    ["a far past", -2 * HOUR_MS],
  ] as const) {
    test(`is not believed in ${name}`, async () => {
      const credential = credentialOf();
      const before = await timeIn(credential);
      assert.equal(await credential.refused(await credential.lease(patient), patient, late(ms)), false);
      assert.equal(await timeIn(credential), before);
      assert.match(String(rig.events.at(-1)?.why), /at most 3600 s are corrected/);
    });
  }

  test("is not read from an answer that refuses something else, or has no date", async () => {
    const credential = credentialOf();
    const before = await timeIn(credential);
    const lease = await credential.lease(patient);
    const other = refusal("InvalidSignatureException", "The request signature we calculated", 0);
    assert.equal(await credential.refused(lease, patient, other), false);
    assert.equal(await credential.refused(lease, patient, { ...late(HOUR_MS / 2), headers: {} }), false);
    assert.equal(await timeIn(credential), before);
  });
});

describe("keys from a file", () => {
  const PROFILES = `# not this
[default]
aws_access_key_id = AKIADEFAULT000000000
aws_secret_access_key = ${"d".repeat(40)}

[ profile kleidi ] ; the host
  AWS_ACCESS_KEY_ID=AKIAKLEIDI0000000000
; aws_session_token = not-this
aws_secret_access_key = a=b#c${"k".repeat(35)}
[other]
aws_session_token = not-this-either
`;
  const idOf = async (credential: Credential) =>
    /Credential=(\w+)\//.exec(headersOf(await credential.lease(patient)).authorization ?? "")?.[1];

  test("are those of the profile", async () => {
    const file = rig.secret("credentials", PROFILES);
    assert.equal(await idOf(create({ source: "profile", file })), "AKIADEFAULT000000000");
    const credential = create({ source: "profile", file, profile: "kleidi" });
    assert.equal(await idOf(credential), "AKIAKLEIDI0000000000");
    assert.equal(await tokenOf(credential), undefined);
    assert.equal(credential.containsSecret(Buffer.from(`a=b#c${"k".repeat(35)}`)), true);
    await assert.rejects(create({ source: "profile", file, profile: "none" }).lease(patient), Unreachable);
  });

  test("are read again every minute, and after a refusal", async () => {
    const file = rig.secret("credentials", PROFILES);
    const credential = create({ source: "profile", file });
    const lease = await credential.lease(patient);
    rig.secret("credentials", PROFILES.replace("AKIADEFAULT000000000", "AKIASECOND0000000000"));
    assert.equal(await credential.refused(lease, patient, refusal("InvalidClientTokenId")), true);
    assert.equal(await idOf(credential), "AKIASECOND0000000000");
    rig.secret("credentials", PROFILES);
    await rig.clock.pass(61_000);
    assert.equal(await idOf(credential), "AKIADEFAULT000000000");
    assert.deepEqual(rig.kinds(), ["read", "read", "read"]);
  });
});

test("roles are assumed one after the other, each with the keys of the one before", async () => {
  const role = (name: string) => `arn:aws:iam::111122223333:role/${name}`;
  const token = rig.secret("web-token", "eyJ.web", 0o644);
  const forms: URLSearchParams[] = [];
  services[STS] = ({ body, headers }) => {
    const form = new URLSearchParams(Buffer.from(body).toString());
    forms.push(form);
    const action = form.get("Action") ?? "";
    assert.equal(
      headers["x-amz-security-token"],
      forms.length === 1 ? undefined : `token-${forms.length - 1}`,
    );
    const { Token, Expiration: _, ...rest } = keys(forms.length, 0) as Record<string, string>;
    const Credentials = { ...rest, SessionToken: Token, Expiration: (rig.clock.date() + HOUR_MS) / 1000 };
    return dated(json({ [`${action}Response`]: { [`${action}Result`]: { Credentials } } }));
  };
  const assume = [{ role: role("a") }, { role: role("b"), externalId: "x-1" }];
  const credential = create({
    ...{ source: "web-identity", role: role("web"), file: token, sts: STS, session: "node-1", assume },
  });
  assert.equal(await tokenOf(credential), "token-3");
  assert.deepEqual(
    forms.map((form) => [form.get("Action"), form.get("RoleArn"), form.get("ExternalId")]),
    [
      ["AssumeRoleWithWebIdentity", role("web"), null],
      ["AssumeRole", role("a"), null],
      ["AssumeRole", role("b"), "x-1"],
    ],
  );
  assert.ok(forms.every((form) => form.get("RoleSessionName") === "node-1"));
});
