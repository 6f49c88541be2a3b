/**
 * Google Cloud's SDK for Go against the stand-in of test/support/gcp. The stand-in is right as far as the SDK can use it: each source of
 * credentials, each operation with its checksums, each error of KMS by its code. And the SDK's signer is the oracle of the host's assertions.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { assertionOf, readAccountKey } from "../../host/capabilities/net/login/gcp/account-key.ts";
import { FakeGcp } from "../support/gcp/gcp.ts";
import { type FakeKey, KEY_USE, rotate, versionName } from "../support/gcp/kms.ts";
import { GcpDrive } from "../support/gcpdrive.ts";

const SEED = Buffer.alloc(32, 7).toString("base64");
const AAD = Buffer.from("kleidi 1").toString("base64");
const AUDIENCE =
  "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/clusters/providers/kubernetes";

let gcp: FakeGcp;
let folder: string;
before(async () => {
  gcp = await FakeGcp.start();
  folder = mkdtempSync(join(tmpdir(), "kleidi-gcp-"));
});
after(async () => {
  await gcp.close();
  rmSync(folder, { recursive: true });
});

const file = (name: string, content: string) => {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
};
const keyFile = (name: string) => ({
  GOOGLE_APPLICATION_CREDENTIALS: file(`${name}.json`, gcp.oauth.account(name).file),
});

async function withSdk<T>(
  environment: Record<string, string>,
  work: (sdk: GcpDrive) => Promise<T>,
): Promise<T> {
  const sdk = new GcpDrive(gcp.at.kms.origin, environment);
  try {
    return await work(sdk);
  } finally {
    sdk.close();
  }
}

const sealed = (sdk: GcpDrive, key: string) => sdk.ask({ op: "encrypt", key, plaintext: SEED, aad: AAD });

describe("the SDK gets a token", () => {
  const works = async (environment: Record<string, string>) => {
    const { name } = gcp.kms.create();
    await withSdk(environment, async (sdk) => {
      const { ciphertext, message } = await sealed(sdk, name);
      assert.equal(message, undefined);
      const request = { op: "decrypt", key: name, ciphertext, aad: AAD };
      assert.equal((await sdk.ask(request)).plaintext, SEED);
    });
  };

  test("by the key of a service account", () => works(keyFile("static")));

  test("of the metadata service", () => works({ GCE_METADATA_HOST: new URL(gcp.at.metadata.origin).host }));

  test("by a workload identity, alone and as a service account", async () => {
    const principal = `principal:${AUDIENCE.replace(/\/providers.*/, "")}/subject/node-1`;
    gcp.sts.pools.set(AUDIENCE, new Map([["eyJ.workload.token", principal]]));
    const email = "kek@kleidi-test.iam.gserviceaccount.com";
    gcp.iam.creators.set(email, new Set([principal]));
    const federated = {
      ...{ type: "external_account", audience: AUDIENCE, token_url: `${gcp.at.sts.origin}/v1/token` },
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      credential_source: { file: file("workload", "eyJ.workload.token") },
    };
    const url = `${gcp.at.iam.origin}/v1/projects/-/serviceAccounts/${email}:generateAccessToken`;
    for (const more of [{}, { service_account_impersonation_url: url }]) {
      const content = JSON.stringify({ ...federated, ...more });
      await works({ GOOGLE_APPLICATION_CREDENTIALS: file("external.json", content) });
    }
  });
});

test("after a rotation the key encrypts with either version, and decrypts with both", async () => {
  const key = gcp.kms.create();
  await withSdk(keyFile("rotation"), async (sdk) => {
    const before = await sealed(sdk, key.name);
    assert.equal(before.name, versionName(key, 1));
    rotate(key);
    assert.equal((await sdk.ask({ op: "get", key: key.name })).name, versionName(key, 2));
    assert.equal((await sealed(sdk, key.name)).name, versionName(key, 2));
    assert.equal((await sealed(sdk, versionName(key, 1))).name, versionName(key, 1));
    const { ciphertext } = before;
    assert.equal((await sdk.ask({ op: "decrypt", key: key.name, ciphertext, aad: AAD })).plaintext, SEED);
  });
});

test("the SDK notices changed bytes by their checksums", async () => {
  const { name } = gcp.kms.create();
  await withSdk(keyFile("tampered"), async (sdk) => {
    gcp.kms.tamper = (answer) => {
      answer.ciphertext = SEED;
    };
    assert.match(String((await sealed(sdk, name)).message), /checksum of the ciphertext is wrong/);
    gcp.kms.tamper = (answer) => {
      delete answer.verifiedPlaintextCrc32c;
    };
    assert.match(String((await sealed(sdk, name)).message), /has not verified/);
  });
});

describe("the SDK knows each error", () => {
  const state = (word: string) => (key: FakeKey) => {
    for (const version of key.versions) version.state = word;
  };
  const fault = (status: number, code: string) => () =>
    gcp.kms.faults.push({ status, code, times: 1, operation: "decrypt" });
  const cases: readonly (readonly [string, (key: FakeKey) => void, object?])[] = [
    ["400 FAILED_PRECONDITION", state("DISABLED")],
    ["400 FAILED_PRECONDITION", state("DESTROY_SCHEDULED")],
    ["404 NOT_FOUND", () => {}, { key: "projects/p/locations/l/keyRings/r/cryptoKeys/none" }],
    ["400 INVALID_ARGUMENT", () => {}, { ciphertext: SEED }],
    ["400 INVALID_ARGUMENT", () => {}, { aad: SEED }],
    ["429 RESOURCE_EXHAUSTED", fault(429, "RESOURCE_EXHAUSTED")],
    ["503 UNAVAILABLE", fault(503, "UNAVAILABLE")],
    ["500 INTERNAL", fault(500, "INTERNAL")],
  ];
  for (const [i, [expected, cause, change]] of cases.entries()) {
    test(`${expected}, ${i}`, async () => {
      const key = gcp.kms.create();
      await withSdk(keyFile(`error-${i}`), async (sdk) => {
        const { ciphertext } = await sealed(sdk, key.name);
        cause(key);
        const { status, error } = await sdk.ask({
          op: "decrypt",
          key: key.name,
          ciphertext,
          aad: AAD,
          ...change,
        });
        assert.equal(`${status} ${error}`, expected);
      });
    });
  }

  test("403 PERMISSION_DENIED, and 401 for a token that has expired", async () => {
    const { email } = gcp.oauth.account("denied");
    gcp.kms.granted.set(`serviceAccount:${email}`, new Set(KEY_USE.slice(1)));
    const { name } = gcp.kms.create();
    await withSdk(keyFile("denied"), async (sdk) => {
      const { status, reason, message } = await sdk.ask({ op: "get", key: name });
      assert.deepEqual([status, reason], [403, "IAM_PERMISSION_DENIED"]);
      assert.match(String(message), /Permission 'cloudkms.cryptoKeys.get' denied/);
      for (const access of gcp.tokens.all.values()) access.expires = 0;
      const expired = await sdk.ask({ op: "get", key: name });
      assert.deepEqual([expired.status, expired.error], [401, "UNAUTHENTICATED"]);
    });
  });
});

test("the host's assertion has the bytes of the SDK's", async () => {
  const account = gcp.oauth.account("signer");
  const path = file("signer.json", account.file);
  const [scope, aud] = ["https://www.googleapis.com/auth/cloudkms", "https://oauth2.googleapis.com/token"];
  const iat = 1_795_596_021;
  const own = assertionOf(readAccountKey(path), scope, aud, (iat + 10) * 1000 + 999);
  await withSdk({}, async (sdk) => {
    const claims = { iss: account.email, scope, aud, exp: iat + 3600, iat };
    const pem = JSON.parse(account.file).private_key;
    const { assertion } = await sdk.ask({ op: "assertion", claims, keyId: account.keyId, pem });
    assert.equal(own, assertion);
  });
});
