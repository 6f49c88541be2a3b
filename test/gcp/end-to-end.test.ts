/** End to end: a host with its KEK in the stand-in for Google Cloud, with tokens from each source; rotation, checksums, outages and refusals. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FakeGcp } from "../support/gcp/gcp.ts";
import { KEY_USE, rotate } from "../support/gcp/kms.ts";
import { accountKey, type GcpNodeOptions, gcpNode, machineOf } from "../support/gcp-node.ts";
import { GcpDrive } from "../support/gcpdrive.ts";
import { codeOf, type Hosted, hosted, roundTrip, SEED } from "../support/hosted.ts";
import { untilWell } from "../support/until-well.ts";

const [INVALID_ARGUMENT, FAILED_PRECONDITION, UNAUTHENTICATED] = [3, 9, 16];
const POOL = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/clusters";
const AUDIENCE = `${POOL}/providers/kubernetes`;

let gcp: FakeGcp;
before(async () => {
  gcp = await FakeGcp.start();
});
after(() => gcp.close());

const inWorld = (options: Omit<GcpNodeOptions, "gcp">, work: (world: Hosted) => Promise<void>) =>
  hosted(gcpNode({ gcp, ...options }), work);

describe("a host with a KEK in Google Cloud", () => {
  /** Tries it, and looks for secrets in all that the host wrote. */
  const works = async (options: Omit<GcpNodeOptions, "gcp" | "key">, secrets: readonly string[] = []) => {
    await inWorld({ key: gcp.kms.create().name, ...options }, async ({ fixture, client }) => {
      await roundTrip(client);
      const written = ["kleidi.log", "audit.jsonl"].map((name) =>
        readFileSync(join(fixture.folder, name), "utf8"),
      );
      for (const secret of [...secrets, ...gcp.tokens.all.keys()])
        assert.ok(!written.join("").includes(secret));
    });
  };

  test("by the key of a service account", () => {
    const account = accountKey(gcp, "static");
    return works(account, [JSON.parse(String(account.files?.["key.json"])).private_key.split("\n")[5]]);
  });

  test("by the metadata service", () => works(machineOf(gcp)));

  test("by a workload identity that acts as a service account", () => {
    const subject = "system:serviceaccount:kms:kleidi";
    const token = `eyJ.${Buffer.from(JSON.stringify({ sub: subject })).toString("base64url")}.sig`;
    const principal = `principal:${POOL}/subject/${subject}`;
    gcp.sts.pools.set(AUDIENCE, new Map([[token, principal]]));
    const impersonate = "kek@kleidi-test.iam.gserviceaccount.com";
    gcp.iam.creators.set(impersonate, new Set([principal]));
    const more = { impersonate, iam: gcp.at.iam.origin };
    const credential = {
      source: "workload-identity",
      audience: AUDIENCE,
      file: "token",
      sts: gcp.at.sts.origin,
      ...more,
    };
    return works({ credential, files: { token: `${token}\n` } }, [token]);
  });

  test("in an HSM, and in an external key manager", async () => {
    for (const level of ["HSM", "EXTERNAL", "EXTERNAL_VPC"]) {
      const key = gcp.kms.create(`level-${level.toLowerCase()}`, level).name;
      await inWorld({ key, ...machineOf(gcp) }, async ({ client }) => {
        await roundTrip(client);
      });
    }
  });
});

test("Google's SDK decrypts a ciphertext of the host with the same key and associated data", async () => {
  const [key, account] = [gcp.kms.create(), accountKey(gcp, "interop")];
  await inWorld({ key: key.name, ...account }, async ({ client, fixture }) => {
    const { ciphertext, keyId } = await roundTrip(client);
    const hash = createHash("sha256").update(key.name).digest("hex").slice(0, 16);
    const aad = Buffer.concat([Buffer.from(`1.${hash}\0kleidi 1\0`), counted("gcp"), counted(keyId)]);
    const sdk = new GcpDrive(gcp.at.kms.origin, {
      GOOGLE_APPLICATION_CREDENTIALS: join(fixture.folder, "key.json"),
    });
    try {
      const sealed = Buffer.from(ciphertext).toString("base64");
      const request = { op: "decrypt", key: key.name, ciphertext: sealed };
      const { plaintext: back } = await sdk.ask({ ...request, aad: aad.toString("base64") });
      assert.equal(back, Buffer.from(SEED).toString("base64"));
      assert.equal((await sdk.ask(request)).error, "INVALID_ARGUMENT");
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
  const { name } = gcp.kms.create();
  const rest = { status: { interval: "60s" } };
  await inWorld({ key: name, ...machineOf(gcp), rest }, async ({ client }) => {
    const { requests } = gcp.at.kms;
    const sentBy = async (work: () => Promise<unknown>) => {
      const before = requests.length;
      await work();
      // The host reads the version in the background.
      const sent = requests.slice(before).filter(({ method }) => method === "POST");
      return sent.map(({ path }) => path.slice(`/v1/${name}`.length));
    };
    const sealed = await roundTrip(client);
    const encrypt = () => client.encrypt({ plaintext: SEED });
    assert.deepEqual(await sentBy(encrypt), ["/cryptoKeyVersions/1:encrypt", ":decrypt"]);
    assert.deepEqual(await sentBy(() => client.decrypt(sealed)), [":decrypt"]);
    assert.deepEqual(await sentBy(() => client.status()), []);
  });
});

describe("the key", () => {
  test("has another key_id after a rotation, and decrypts with both versions", async () => {
    const key = gcp.kms.create();
    await inWorld({ key: key.name, ...machineOf(gcp) }, async ({ client }) => {
      const before = await roundTrip(client);
      rotate(key);
      const after = await untilWell(async () => {
        const sealed = await roundTrip(client);
        assert.notEqual(sealed.keyId, before.keyId);
        return sealed;
      });
      assert.equal((await client.status()).keyId, after.keyId);
      assert.deepEqual(new Uint8Array((await client.decrypt(before)).plaintext), SEED);
    });
  });

  test("encrypts with the former version while only a part of KMS knows the new primary one", async () => {
    const key = gcp.kms.create();
    await inWorld(
      { key: key.name, ...machineOf(gcp), rest: { status: { interval: "60s" } } },
      async ({ client }) => {
        const before = await roundTrip(client);
        rotate(key);
        assert.equal((await roundTrip(client)).keyId, before.keyId);
      },
    );
  });

  test("whose version is disabled is told with the command that enables it", async () => {
    const key = gcp.kms.create();
    await inWorld({ key: key.name, ...machineOf(gcp) }, async ({ client, fixture }) => {
      const sealed = await roundTrip(client);
      for (const version of key.versions) version.state = "DISABLED";
      assert.equal(await codeOf(client.decrypt(sealed)), FAILED_PRECONDITION);
      assert.match(
        fixture.readLog(),
        /version 1 is disabled; enable it: gcloud kms keys versions enable 1 --key=/,
      );
    });
  });

  test("refuses a changed ciphertext", async () => {
    await inWorld({ key: gcp.kms.create().name, ...machineOf(gcp) }, async ({ client }) => {
      const sealed = await roundTrip(client);
      const ciphertext = Uint8Array.from(sealed.ciphertext);
      ciphertext[60] = (ciphertext[60] ?? 0) ^ 1;
      assert.equal(await codeOf(client.decrypt({ ...sealed, ciphertext })), INVALID_ARGUMENT);
    });
  });
});

test("calls wait while KMS is short of quota, fails, or an answer was changed on its way, and succeed within their deadline", async () => {
  await inWorld({ key: gcp.kms.create().name, ...machineOf(gcp) }, async ({ client }) => {
    const sealed = await roundTrip(client);
    const decrypts = async () =>
      assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), SEED);
    for (const [status, code] of [
      [429, "RESOURCE_EXHAUSTED"],
      [503, "UNAVAILABLE"],
    ] as const) {
      gcp.kms.faults.push({ status, code, times: 3, operation: "decrypt" });
      await decrypts();
      assert.equal(gcp.kms.faults.length, 0);
    }
    gcp.kms.tamper = (answer) => {
      answer.plaintext = Buffer.from("another text, of the same length").toString("base64");
    };
    const before = gcp.at.kms.requests.length;
    await decrypts();
    const sent = gcp.at.kms.requests.slice(before).filter(({ path }) => path.endsWith(":decrypt"));
    assert.ok(sent.length >= 2);
  });
});

describe("the credential", () => {
  test("without a permission is told with the role that it lacks", async () => {
    const { email } = gcp.oauth.account("denied");
    const key = gcp.kms.create();
    await inWorld({ key: key.name, ...accountKey(gcp, "denied") }, async ({ client, fixture }) => {
      const sealed = await roundTrip(client);
      gcp.kms.granted.set(`serviceAccount:${email}`, new Set(KEY_USE.slice(0, 2)));
      assert.equal(await codeOf(client.decrypt(sealed)), UNAUTHENTICATED);
      assert.match(fixture.readLog(), /--role=roles\/cloudkms\.cryptoKeyEncrypterDecrypter/);
    });
  });

  test("is replaced while calls go on: a token is not used to its end, and a refused one is replaced", async () => {
    gcp.tokens.lifeMs = 25_000;
    try {
      await inWorld({ key: gcp.kms.create().name, ...machineOf(gcp) }, async ({ client, fixture }) => {
        await roundTrip(client);
        gcp.tokens.lifeMs = 3_599_000;
        // KMS refuses all tokens so far.
        for (const access of gcp.tokens.all.values()) access.expires = 0;
        await untilWell(() => roundTrip(client));
        assert.match(fixture.readLog(), /"credential":"login"/);
      });
    } finally {
      gcp.tokens.lifeMs = 3_599_000;
    }
  });

  test("whose key file is replaced is read at the next login", async () => {
    const first = accountKey(gcp, "first");
    await inWorld({ key: gcp.kms.create().name, ...first }, async ({ client, fixture }) => {
      await roundTrip(client);
      const { file, email } = gcp.oauth.account("second");
      writeFileSync(join(fixture.folder, "key.json"), file);
      for (const access of gcp.tokens.all.values()) access.expires = 0;
      await untilWell(() => roundTrip(client));
      const members = [...gcp.tokens.all.values()]
        .filter(({ expires }) => expires > 0)
        .map(({ member }) => member);
      assert.deepEqual(new Set(members), new Set([`serviceAccount:${email}`]));
    });
  });
});
