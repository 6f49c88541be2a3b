/**
 * AWS's SDK for Go against the stand-in of test/support/aws. The stand-in is right as far as the SDK can use it: each source of credentials,
 * each operation, each error of KMS by its code.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ACCOUNT, FakeAws, KEY_USE, REGION } from "../support/aws/aws.ts";
import type { Identity } from "../support/aws/identities.ts";
import { rotate } from "../support/aws/kms.ts";
import { AwsDrive, type SdkAnswer } from "../support/awsdrive.ts";

const SEED = Buffer.alloc(32, 7).toString("base64");
const CONTEXT = { kleidi: "a2xlaWRpIDE=" };

let aws: FakeAws;
let folder: string;

before(async () => {
  aws = await FakeAws.start();
  folder = mkdtempSync(join(tmpdir(), "kleidi-aws-"));
});
after(async () => {
  await aws.close();
  rmSync(folder, { recursive: true });
});

const endpoints = () => ({
  AWS_REGION: REGION,
  AWS_ENDPOINT_URL_KMS: aws.at.kms.origin,
  AWS_ENDPOINT_URL_STS: aws.at.sts.origin,
});
const keysOf = ({ accessKeyId, secretAccessKey, sessionToken }: Identity): Record<string, string> => ({
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  ...(sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: sessionToken }),
});

async function withSdk<T>(
  environment: Record<string, string>,
  work: (sdk: AwsDrive) => Promise<T>,
): Promise<T> {
  const sdk = new AwsDrive({ ...endpoints(), ...environment });
  try {
    return await work(sdk);
  } finally {
    sdk.close();
  }
}

/** One Encrypt and one Decrypt. */
async function roundTrip(sdk: AwsDrive, key: string): Promise<SdkAnswer> {
  const { ciphertext, error, message } = await sdk.ask({
    op: "encrypt",
    key,
    plaintext: SEED,
    context: CONTEXT,
  });
  assert.equal(error, undefined, message ?? "");
  return await sdk.ask({ op: "decrypt", key, ciphertext, context: CONTEXT });
}

describe("the SDK gets credentials", () => {
  const works = async (environment: Record<string, string>) => {
    const { arn } = aws.kms.create();
    await withSdk(environment, async (sdk) => {
      assert.equal((await roundTrip(sdk, arn)).plaintext, SEED);
    });
  };

  test("from static keys", () => works(keysOf(aws.user("static"))));

  test("from temporary keys", () => works(keysOf(aws.session("temporary"))));

  test("from the metadata service of EC2", async () => {
    aws.metadata.identity = aws.session("node-role");
    await works({
      AWS_EC2_METADATA_DISABLED: "false",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.at.metadata.origin,
    });
  });

  test("from a container's endpoint, with a token", async () => {
    aws.container.identity = aws.session("pod");
    aws.container.token = "eyJ.pod.token";
    const token = join(folder, "pod-token");
    writeFileSync(token, "eyJ.pod.token");
    await works({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${aws.at.container.origin}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: token,
    });
  });

  test("from STS with a web identity", async () => {
    const arn = `arn:aws:iam::${ACCOUNT}:role/web`;
    aws.sts.roles.set(arn, { arn, allowed: KEY_USE, webTokens: new Set(["eyJ.web.token"]) });
    const token = join(folder, "web-token");
    writeFileSync(token, "eyJ.web.token");
    await works({ AWS_ROLE_ARN: arn, AWS_WEB_IDENTITY_TOKEN_FILE: token, AWS_ROLE_SESSION_NAME: "kleidi" });
  });

  test("from STS by assuming a role, with keys of a profile", async () => {
    const arn = `arn:aws:iam::${ACCOUNT}:role/kek`;
    const { accessKeyId, secretAccessKey, arn: user } = aws.user("chain", ["sts:AssumeRole"]);
    aws.sts.roles.set(arn, { arn, allowed: KEY_USE, trusted: new Set([user]), externalId: "x-1" });
    const config = join(folder, "config");
    writeFileSync(
      config,
      `[profile kek]\nrole_arn = ${arn}\nexternal_id = x-1\nsource_profile = base\n[profile base]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`,
    );
    await works({ AWS_CONFIG_FILE: config, AWS_PROFILE: "kek" });
  });
});

test("the SDK names its identity", async () => {
  const { arn, ...user } = aws.user("who");
  const { identity } = await withSdk(keysOf({ arn, ...user }), (sdk) => sdk.ask({ op: "identity" }));
  assert.equal(identity, arn);
});

test("after a rotation the key decrypts with both materials, under the same ARN", async () => {
  const key = aws.kms.create();
  aws.kms.aliases.set("alias/rotated", key.arn);
  await withSdk(keysOf(aws.user("rotation")), async (sdk) => {
    const request = { op: "encrypt", key: "alias/rotated", plaintext: SEED, context: CONTEXT };
    const before = await sdk.ask(request);
    const first = await sdk.ask({ op: "describe", key: "alias/rotated" });
    rotate(key);
    const second = await sdk.ask({ op: "describe", key: "alias/rotated" });
    assert.deepEqual([first.key, second.key], [key.arn, key.arn]);
    assert.notEqual(first.material, second.material);
    const old = await sdk.ask({
      op: "decrypt",
      key: key.arn,
      ciphertext: before.ciphertext,
      context: CONTEXT,
    });
    assert.deepEqual([old.plaintext, old.material], [SEED, first.material]);
    assert.equal((await roundTrip(sdk, key.arn)).material, second.material);
  });
});

describe("the SDK knows each error by its code", () => {
  const cases: readonly (readonly [string, (key: ReturnType<FakeAws["kms"]["create"]>) => void, object?])[] =
    [
      ["DisabledException", (key) => (key.state = "Disabled")],
      ["KMSInvalidStateException", (key) => (key.state = "PendingDeletion")],
      ["InvalidKeyUsageException", (key) => (key.usage = "SIGN_VERIFY")],
      ["NotFoundException", () => {}, { key: "alias/none" }],
      ["NotFoundException", () => {}, { key: `arn:aws:kms:eu-west-1:${ACCOUNT}:key/x` }],
      ["InvalidCiphertextException", () => {}, { ciphertext: SEED }],
      ["InvalidCiphertextException", () => {}, { context: { other: "context" } }],
      ...[
        "ThrottlingException",
        "LimitExceededException",
        "KMSInternalException",
        "DependencyTimeoutException",
        "KeyUnavailableException",
      ].map((code) => [code, () => aws.kms.faults.push({ code, times: 1, operation: "Decrypt" })] as const),
    ];
  for (const [i, [code, cause, change]] of cases.entries()) {
    test(`${code}, ${i}`, async () => {
      const key = aws.kms.create();
      await withSdk(keysOf(aws.user(`errors-${i}`)), async (sdk) => {
        const { ciphertext } = await sdk.ask({
          op: "encrypt",
          key: key.arn,
          plaintext: SEED,
          context: CONTEXT,
        });
        cause(key);
        const request = { op: "decrypt", key: key.arn, ciphertext, context: CONTEXT, ...change };
        assert.equal((await sdk.ask(request)).error, code);
      });
    });
  }

  const refused = (user: Identity) =>
    withSdk(keysOf(user), (sdk) => sdk.ask({ op: "describe", key: "alias/x" }));

  test("AccessDeniedException", async () => {
    const { error, message } = await refused(aws.user("nobody", []));
    assert.equal(error, "AccessDeniedException");
    assert.match(String(message), /not authorized to perform: kms:DescribeKey/);
  });

  test("UnrecognizedClientException, ExpiredTokenException and InvalidSignatureException", async () => {
    assert.equal(
      (await refused({ ...aws.user("a"), accessKeyId: "AKIANONE" })).error,
      "UnrecognizedClientException",
    );
    assert.equal((await refused(aws.session("b", -1))).error, "ExpiredTokenException");
    const wrong = { ...aws.user("c"), secretAccessKey: "wrong" };
    assert.equal((await refused(wrong)).error, "InvalidSignatureException");
  });

  test("a clock that differs by more than five minutes", async () => {
    aws.drift = 6 * 60_000;
    try {
      const { error, message } = await refused(aws.user("late"));
      assert.equal(error, "InvalidSignatureException");
      assert.match(String(message), /^Signature expired/);
    } finally {
      aws.drift = 0;
    }
  });
});
