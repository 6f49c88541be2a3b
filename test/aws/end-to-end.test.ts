/** End to end: a host with its KEK in the stand-in for AWS, with keys from each source; rotation, replicas, outages, refusals and clocks. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ACCOUNT, FakeAws, KEY_USE, REGION } from "../support/aws/aws.ts";
import type { Identity } from "../support/aws/identities.ts";
import { rotate } from "../support/aws/kms.ts";
import { type AwsNodeOptions, awsNode, staticKeys } from "../support/aws-node.ts";
import { AwsDrive } from "../support/awsdrive.ts";
import type { Fixture } from "../support/fixture.ts";
import { codeOf, type Hosted, hosted, roundTrip, SEED } from "../support/hosted.ts";
import { untilWell } from "../support/until-well.ts";

const [INVALID_ARGUMENT, FAILED_PRECONDITION, UNAUTHENTICATED] = [3, 9, 16];

let aws: FakeAws;
before(async () => {
  aws = await FakeAws.start();
});
after(() => aws.close());

type Options = Omit<AwsNodeOptions, "aws">;

const inWorld = (options: Options, work: (world: Hosted) => Promise<void>, where = aws) =>
  hosted(awsNode({ aws: where, ...options }), work);

/** All that the host wrote. */
const written = ({ folder }: Fixture) =>
  ["kleidi.log", "audit.jsonl"].map((name) => readFileSync(join(folder, name), "utf8")).join("\n");
const secretsOf = ({ secretAccessKey, sessionToken = "no token" }: Identity) => [
  secretAccessKey,
  sessionToken,
];
describe("a host with a KEK in AWS", () => {
  const works = async (options: Omit<Options, "key">, secrets: () => Identity | undefined) => {
    await inWorld({ key: aws.kms.create().arn, ...options }, async ({ fixture, client }) => {
      await roundTrip(client);
      const identity = secrets();
      assert.ok(identity);
      const text = written(fixture);
      for (const secret of secretsOf(identity)) assert.ok(!text.includes(secret));
    });
  };

  test("by long-lived keys", () => {
    const user = aws.user("keys");
    return works(staticKeys(user), () => user);
  });

  test("by a profile", () => {
    const session = aws.session("profile");
    const { accessKeyId, secretAccessKey, sessionToken } = session;
    const profile = `[kek]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\naws_session_token = ${sessionToken}\n`;
    const credential = { source: "profile", file: "credentials", profile: "kek" };
    return works({ credential, files: { credentials: profile } }, () => session);
  });

  test("by the metadata service of EC2", () => {
    aws.metadata.identity = aws.session("node-role");
    const credential = { source: "instance", endpoint: aws.at.metadata.origin };
    return works({ credential }, () => aws.metadata.identity);
  });

  test("by a container's endpoint", () => {
    aws.container.identity = aws.session("pod");
    aws.container.token = "eyJ.pod.token";
    const credential = {
      source: "container",
      endpoint: `${aws.at.container.origin}/v1/credentials`,
      file: "pod-token",
    };
    return works({ credential, files: { "pod-token": "eyJ.pod.token" } }, () => aws.container.identity);
  });

  test("by a web identity, and a role of another account", () => {
    const [web, kek] = [`arn:aws:iam::${ACCOUNT}:role/web`, "arn:aws:iam::444455556666:role/kek"];
    const trusted = new Set([`arn:aws:sts::${ACCOUNT}:assumed-role/web/node-1`]);
    aws.sts.roles.set(web, { arn: web, allowed: ["sts:AssumeRole"], webTokens: new Set(["eyJ.web"]) });
    aws.sts.roles.set(kek, { arn: kek, allowed: KEY_USE, trusted, externalId: "x-1" });
    const assume = [{ role: kek, externalId: "x-1" }];
    const credential = {
      ...{
        source: "web-identity",
        role: web,
        file: "web-token",
        sts: aws.at.sts.origin,
        session: "node-1",
        assume,
      },
    };
    return works({ credential, files: { "web-token": "eyJ.web" } }, () => aws.sts.given);
  });
});

test("the SDK of AWS decrypts a ciphertext of the host with the same key and context", async () => {
  const [key, user] = [aws.kms.create(), aws.user("interop")];
  await inWorld({ key: key.arn, ...staticKeys(user) }, async ({ client }) => {
    const { ciphertext, keyId } = await roundTrip(client);
    const aad = Buffer.concat([Buffer.from("kleidi 1\0"), counted("aws"), counted(keyId)]);
    const sdk = new AwsDrive({
      AWS_REGION: REGION,
      AWS_ENDPOINT_URL_KMS: aws.at.kms.origin,
      AWS_ACCESS_KEY_ID: user.accessKeyId,
      AWS_SECRET_ACCESS_KEY: user.secretAccessKey,
    });
    try {
      const request = { op: "decrypt", key: key.arn, ciphertext: Buffer.from(ciphertext).toString("base64") };
      const context = { kleidi: aad.toString("base64") };
      const { plaintext: back } = await sdk.ask({ ...request, context });
      assert.equal(back, Buffer.from(SEED).toString("base64"));
      assert.equal((await sdk.ask({ ...request, context: {} })).error, "InvalidCiphertextException");
    } finally {
      sdk.close();
    }
  });
});

function counted(text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
}

test("Encrypt is one request and its read-back, Decrypt one, and Status none", async () => {
  await inWorld(
    { key: aws.kms.create().arn, ...staticKeys(aws.user("counted")), rest: { status: { interval: "60s" } } },
    async ({ client }) => {
      const { requests } = aws.at.kms;
      const sentBy = async (work: () => Promise<unknown>) => {
        const before = requests.length;
        await work();
        const operations = requests
          .slice(before)
          .map(({ headers }) => headers["x-amz-target"]?.split(".")[1]);
        // The host reads the version in the background.
        return operations.filter((operation) => operation !== "DescribeKey");
      };
      const sealed = await roundTrip(client);
      assert.deepEqual(await sentBy(() => client.encrypt({ plaintext: SEED })), ["Encrypt", "Decrypt"]);
      assert.deepEqual(await sentBy(() => client.decrypt(sealed)), ["Decrypt"]);
      assert.deepEqual(await sentBy(() => client.status()), []);
    },
  );
});

describe("the key", () => {
  test("keeps its key_id after a rotation in KMS, and decrypts with both materials", async () => {
    const key = aws.kms.create();
    aws.kms.aliases.set("alias/kek", key.arn);
    await inWorld({ key: "alias/kek", ...staticKeys(aws.user("rotation")) }, async ({ client }) => {
      const before = await roundTrip(client);
      rotate(key);
      const after = await roundTrip(client);
      assert.equal(after.keyId, before.keyId);
      assert.deepEqual(new Uint8Array((await client.decrypt(before)).plaintext), SEED);
    });
  });

  test("has the same key_id in another Region, which decrypts", async () => {
    const primary = aws.kms.create({ multiRegion: true });
    const other = await FakeAws.start("eu-west-1");
    try {
      const replica = other.kms.create({ replica: primary });
      let sealed: Awaited<ReturnType<typeof roundTrip>>;
      await inWorld({ key: primary.arn, ...staticKeys(aws.user("primary")) }, async ({ client }) => {
        sealed = await roundTrip(client);
      });
      const keys = staticKeys(other.user("replica"));
      const credential = { ...keys.credential, region: "eu-west-1" };
      await inWorld(
        { key: replica.arn, ...keys, credential },
        async ({ client }) => {
          assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), SEED);
          assert.equal((await client.status()).keyId, sealed.keyId);
        },
        other,
      );
    } finally {
      await other.close();
    }
  });

  test("that is disabled is told with the command that enables it", async () => {
    const key = aws.kms.create();
    await inWorld({ key: key.arn, ...staticKeys(aws.user("disabled")) }, async ({ client, fixture }) => {
      const sealed = await roundTrip(client);
      key.state = "Disabled";
      assert.equal(await codeOf(client.decrypt(sealed)), FAILED_PRECONDITION);
      assert.match(fixture.readLog(), /it is disabled; enable it: aws kms enable-key --key-id arn:aws:kms:/);
    });
  });

  test("refuses a changed ciphertext", async () => {
    await inWorld({ key: aws.kms.create().arn, ...staticKeys(aws.user("changed")) }, async ({ client }) => {
      const sealed = await roundTrip(client);
      const ciphertext = Uint8Array.from(sealed.ciphertext);
      ciphertext[100] = (ciphertext[100] ?? 0) ^ 1;
      assert.equal(await codeOf(client.decrypt({ ...sealed, ciphertext })), INVALID_ARGUMENT);
    });
  });
});

test("calls wait while KMS throttles or fails, and succeed within their deadline", async () => {
  await inWorld({ key: aws.kms.create().arn, ...staticKeys(aws.user("throttled")) }, async ({ client }) => {
    const sealed = await roundTrip(client);
    for (const [code, status] of [
      ["ThrottlingException", 400],
      ["KMSInternalException", 500],
    ] as const) {
      aws.kms.faults.push({ code, status, times: 3, operation: "Decrypt" });
      assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), SEED);
      assert.equal(aws.kms.faults.length, 0);
    }
  });
});

describe("the credential", () => {
  test("without a permission is told with the statement that its policy lacks", async () => {
    const user = aws.user("denied");
    const key = aws.kms.create();
    await inWorld({ key: key.arn, ...staticKeys(user) }, async ({ client, fixture }) => {
      const sealed = await roundTrip(client);
      user.allowed = new Set(["kms:DescribeKey", "kms:Encrypt"]);
      assert.equal(await codeOf(client.decrypt(sealed)), UNAUTHENTICATED);
      const statement = JSON.stringify({ Effect: "Allow", Action: "kms:Decrypt", Resource: key.arn });
      assert.ok(fixture.readLog().includes(JSON.stringify(statement).slice(1, -1)), fixture.readLog());
    });
  });

  test("is replaced while calls go on: keys of a session that ends are not used to their end", async () => {
    aws.metadata.identity = aws.session("short", 25_000);
    const credential = { source: "instance", endpoint: aws.at.metadata.origin };
    await inWorld({ key: aws.kms.create().arn, credential }, async ({ client, fixture }) => {
      const first = aws.metadata.identity;
      await roundTrip(client);
      // From now on the service gives others, and KMS refuses the first ones.
      aws.metadata.identity = aws.session("next");
      if (first !== undefined) first.expires = aws.now();
      await untilWell(() => roundTrip(client));
      assert.match(fixture.readLog(), /"credential":"login"/);
    });
  });

  test("signs with the time of AWS after a refusal, if the clock of the machine is wrong", async () => {
    await inWorld(
      { key: aws.kms.create().arn, ...staticKeys(aws.user("drift")) },
      async ({ client, fixture }) => {
        const sealed = await roundTrip(client);
        aws.drift = 20 * 60_000;
        try {
          assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), SEED);
          assert.match(fixture.readLog(), /the clock of this machine is 1\d{3} s behind that of AWS/);
          aws.drift = 24 * 3_600_000;
          assert.equal(await codeOf(client.decrypt(sealed)), UNAUTHENTICATED);
          assert.match(fixture.readLog(), /at most 3600 s are corrected/);
          aws.drift = 0;
          assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), SEED);
        } finally {
          aws.drift = 0;
        }
      },
    );
  });

  test("whose secret file is replaced is read again after a refusal", async () => {
    const [user, next] = [aws.user("first"), aws.user("second")];
    const file = ({ accessKeyId, secretAccessKey }: Identity) =>
      `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
    const credential = { source: "profile", file: "credentials" };
    await inWorld(
      { key: aws.kms.create().arn, credential, files: { credentials: file(user) } },
      async ({ client, fixture }) => {
        await roundTrip(client);
        writeFileSync(join(fixture.folder, "credentials"), file(next));
        aws.identities.all.delete(user.accessKeyId);
        await untilWell(() => roundTrip(client));
      },
    );
  });
});
