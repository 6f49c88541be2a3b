/** Whatever a service or a file says: keys that can be used, or an Unreachable; and nothing of it in a message. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import fc from "fast-check";
import { patient, Rig } from "../../../../../test/support/credential.ts";
import { type Response, Unreachable } from "../../exchange.ts";
import type { CredentialConfig } from "../grant.ts";
import { refusalIn } from "./refusal.ts";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.remove());

/** As keys and tokens are: no code of an error, which a message may quote, has a digit. */
const MARK = "CANARY0CANARY/CANARY";
const text = fc.oneof(fc.string(), fc.constantFrom(MARK, `${MARK}\n`, "", "Success", "2999-01-01T00:00:00Z"));
const value = fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null), fc.array(text, { maxLength: 2 }));
const keys = fc.record(
  { AccessKeyId: value, SecretAccessKey: value, Token: value, SessionToken: value, Expiration: value },
  { requiredKeys: [] },
);
const body = fc.oneof(
  fc.string().map((content) => Buffer.from(content)),
  fc.uint8Array({ maxLength: 64 }),
  fc
    .oneof(
      keys,
      keys.map((Credentials) => ({
        AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult: { Credentials } },
      })),
      fc.record({ __type: value, message: value, Error: fc.record({ Code: value, Message: value }) }),
      fc.json().map((json) => JSON.parse(json)),
    )
    .map((document) => Buffer.from(JSON.stringify(document))),
  fc.constant(Buffer.alloc(33 * 1024, 32)),
);
const response: fc.Arbitrary<Response> = fc.record({
  status: fc.constantFrom(200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500, 503),
  headers: fc.oneof(
    fc.constant({}),
    text.map((date) => ({ date })),
  ),
  body,
});

const CONFIGS = [
  { source: "instance", endpoint: "http://169.254.169.254" },
  { source: "container", endpoint: "http://169.254.170.2/v2/credentials" },
  {
    source: "web-identity",
    role: "arn:aws:iam::111122223333:role/web",
    sts: "https://sts.eu-central-1.amazonaws.com:443",
  },
];

for (const config of CONFIGS)
  test(`the source ${config.source} gives a lease or an Unreachable, for any answers`, async () => {
    const file = rig.secret("token", "eyJ.token", 0o644);
    await fc.assert(
      fc.asyncProperty(fc.array(response, { minLength: 1, maxLength: 4 }), async (answers) => {
        let next = 0;
        rig.other = async () => answers[next++ % answers.length] as Response;
        const own = config.source === "web-identity" ? { ...config, file } : config;
        const credential = rig.create({ kind: "aws", region: "eu-central-1", ...own } as CredentialConfig);
        const got = await credential.lease(patient).catch((error: unknown) => error);
        if (got instanceof Error) {
          assert.ok(got instanceof Unreachable, String(got));
          assert.ok(!got.message.includes(MARK), got.message);
        }
        assert.ok(next <= 8);
        await credential.close();
      }),
      { numRuns: 300 },
    );
  });

test("a profile gives a lease or an Unreachable, for any file", async () => {
  const line = fc.oneof(
    text,
    fc.constantFrom("[default]", "[ default", "[]", "=", "aws_access_key_id=AKIAIOSFODNN7EXAMPLE"),
    text.map((secret) => `aws_secret_access_key = ${secret}`),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 8 }), async (lines) => {
      const file = rig.secret("credentials", lines.join("\n"));
      const config = { kind: "aws", region: "eu-central-1", source: "profile", file } as CredentialConfig;
      const credential = rig.create(config);
      const got = await credential.lease(patient).catch((error: unknown) => error);
      if (got instanceof Error)
        assert.ok(got instanceof Unreachable && !got.message.includes(MARK), String(got));
      await credential.close();
    }),
    { numRuns: 100 },
  );
});

test("a refusal is read from any answer without a fault", () => {
  fc.assert(
    fc.property(response, (answer) => {
      const found = refusalIn(answer);
      assert.ok(found === undefined || (answer.status >= 400 && answer.status <= 403));
    }),
  );
});
