/**
 * Azure's SDK for Go against the stand-in of test/support/azure. The stand-in is right as far as the SDK can use it: each source of tokens that the
 * SDK can be led to, each operation for both kinds of keys, each error by its code.
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { AzDrive, type AzureAnswer } from "../support/azdrive.ts";
import { FakeAzure } from "../support/azure/azure.ts";
import { type FakeKey, rotate } from "../support/azure/vault.ts";

const KEY = Buffer.alloc(32, 7).toString("base64");

let azure: FakeAzure;
before(async () => {
  azure = await FakeAzure.start();
});
after(() => azure.close());

const file = (name: string, content: string) => {
  const path = join(azure.folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
};
function withSecret(): Record<string, string> {
  const application = azure.entra.application();
  application.secrets.push("a.client~secret");
  return { SOURCE: "secret", CLIENT: application.client, SECRET: "a.client~secret" };
}

async function withSdk<T>(
  environment: Record<string, string>,
  work: (sdk: AzDrive) => Promise<T>,
): Promise<T> {
  const sdk = new AzDrive(azure, environment);
  try {
    return await work(sdk);
  } finally {
    sdk.close();
  }
}

const wrapped = (sdk: AzDrive, { name }: FakeKey, algorithm = "RSA-OAEP-256", version = "") =>
  sdk.ask({ op: "wrap", key: name, version, algorithm, value: KEY });

describe("the SDK gets a token", () => {
  const works = async (environment: Record<string, string>, kty = "RSA", algorithm = "RSA-OAEP-256") => {
    const key = azure.vault.create(kty);
    await withSdk(environment, async (sdk) => {
      const { value, message } = await wrapped(sdk, key, algorithm);
      assert.equal(message, undefined);
      const version = key.versions[0]?.id;
      const back = await sdk.ask({ op: "unwrap", key: key.name, version, algorithm, value });
      assert.equal(back.value, KEY);
    });
  };

  test("by a client secret, for keys of each kind", async () => {
    await works(withSecret());
    await works(withSecret(), "oct-HSM", "A256KW");
  });

  test("by a certificate", async () => {
    const application = azure.entra.application();
    const pem = azure.certificate("sdk-app");
    application.certificate = new X509Certificate(pem);
    await works({ SOURCE: "certificate", CLIENT: application.client, FILE: file("app.pem", pem) });
  });

  test("by a workload identity", async () => {
    const application = azure.entra.application();
    application.tokens.add("eyJ.workload.token");
    const token = file("token", "eyJ.workload.token");
    await works({ SOURCE: "workload", CLIENT: application.client, FILE: token });
  });
});

test("after a rotation the key has another version, and unwraps with both", async () => {
  const key = azure.vault.create();
  await withSdk(withSecret(), async (sdk) => {
    const before = await wrapped(sdk, key);
    rotate(key);
    const after = await sdk.ask({ op: "get", key: key.name, version: "" });
    assert.ok(after.kid?.endsWith(`/keys/${key.name}/${key.versions[1]?.id}`));
    assert.deepEqual([after.kty, after.enabled], ["RSA", true]);
    const request = { op: "unwrap", key: key.name, algorithm: "RSA-OAEP-256", value: before.value };
    assert.equal((await sdk.ask({ ...request, version: key.versions[0]?.id })).value, KEY);
    assert.equal((await sdk.ask({ ...request, version: key.versions[1]?.id })).error, "BadParameter");
  });
});

describe("the SDK knows each error", () => {
  const fault = (status: number, code: string) => () =>
    azure.vault.faults.push({ status, code, times: 1, operation: "unwrapkey" });
  const cases: readonly (readonly [string, (key: FakeKey) => void, object?])[] = [
    [
      "403 Forbidden",
      (key) => {
        for (const version of key.versions) version.enabled = false;
      },
    ],
    ["404 KeyNotFound", () => {}, { key: "none" }],
    ["400 BadParameter", () => {}, { value: KEY }],
    ["400 BadParameter", () => {}, { algorithm: "A256KW" }],
    ["429 Throttled", fault(429, "Throttled")],
    ["503 ServiceUnavailable", fault(503, "ServiceUnavailable")],
  ];
  for (const [i, [expected, cause, change]] of cases.entries()) {
    test(`${expected}, ${i}`, async () => {
      const key = azure.vault.create();
      await withSdk(withSecret(), async (sdk) => {
        const { value } = await wrapped(sdk, key);
        cause(key);
        const version = key.versions[0]?.id;
        const request = { op: "unwrap", key: key.name, version, algorithm: "RSA-OAEP-256", value, ...change };
        const { status, error }: AzureAnswer = await sdk.ask(request);
        assert.equal(`${status} ${error}`, expected);
      });
    });
  }

  test("403 for a role that is missing", async () => {
    const environment = withSecret();
    const { object = "" } = azure.entra.applications.get(environment.CLIENT ?? "") ?? {};
    azure.vault.granted.set(object, new Set());
    const { name } = azure.vault.create();
    await withSdk(environment, async (sdk) => {
      const { status, message } = await sdk.ask({ op: "get", key: name, version: "" });
      assert.equal(status, 403);
      assert.match(String(message), /ForbiddenByRbac/);
    });
  });

  test("a wrong secret by Entra's number", async () => {
    const environment = { ...withSecret(), SECRET: "wrong" };
    const { name } = azure.vault.create();
    const { message } = await withSdk(environment, (sdk) => sdk.ask({ op: "get", key: name, version: "" }));
    assert.match(String(message), /AADSTS7000215/);
  });
});
