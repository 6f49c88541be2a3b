/** End to end: a host with its KEK in the stand-in for Azure, with tokens from each source; both kinds of keys, rotation, outages and refusals. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { FakeAzure } from "../support/azure/azure.ts";
import { rotate } from "../support/azure/vault.ts";
import { type AzureNodeOptions, applicationOf, azureNode, machineOf } from "../support/azure-node.ts";
import { codeOf, type Hosted, hosted, roundTrip, SEED } from "../support/hosted.ts";
import { untilWell } from "../support/until-well.ts";

const [INVALID_ARGUMENT, FAILED_PRECONDITION, UNAUTHENTICATED] = [3, 9, 16];

let azure: FakeAzure;
before(async () => {
  azure = await FakeAzure.start();
});
after(() => azure.close());

const inWorld = (options: Omit<AzureNodeOptions, "azure">, work: (world: Hosted) => Promise<void>) =>
  hosted(azureNode({ azure, ...options }), work);

describe("a host with a KEK in Azure", () => {
  /** Tries it, and looks for secrets in all that the host wrote. */
  const works = async (options: Omit<AzureNodeOptions, "azure" | "key">, secrets: readonly string[] = []) => {
    await inWorld({ key: azure.vault.create().name, ...options }, async ({ fixture, client }) => {
      await roundTrip(client);
      const written = ["kleidi.log", "audit.jsonl"].map((name) =>
        readFileSync(join(fixture.folder, name), "utf8"),
      );
      for (const secret of [...secrets, ...azure.entra.issued.keys()])
        assert.ok(!written.join("").includes(secret));
    });
  };

  test("by a client secret", () => {
    const { client, secrets } = azure.entra.application();
    secrets.push("a.client~secret");
    return works(applicationOf(azure, "client-secret", client, "a.client~secret\n"), secrets);
  });

  test("by a certificate", () => {
    const application = azure.entra.application();
    const pem = azure.certificate("app");
    application.certificate = new X509Certificate(pem);
    return works(applicationOf(azure, "client-certificate", application.client, pem));
  });

  test("by a workload identity", () => {
    const { client, tokens } = azure.entra.application();
    tokens.add("eyJ.workload.token");
    return works(applicationOf(azure, "workload-identity", client, "eyJ.workload.token"), [...tokens]);
  });

  test("by a managed identity", () => works(machineOf(azure)));

  test("in a Managed HSM", async () => {
    azure.vault.resource = "https://managedhsm.azure.net";
    const { credential } = machineOf(azure);
    try {
      for (const kind of ["oct-HSM", "RSA-HSM"]) {
        const key = azure.vault.create(kind).name;
        await inWorld(
          { key, credential: { ...credential, resource: azure.vault.resource } },
          async ({ client }) => {
            await roundTrip(client);
          },
        );
      }
    } finally {
      azure.vault.resource = "https://vault.azure.net";
    }
  });
});

test("Encrypt is one request and its read-back, Decrypt one, and Status none", async () => {
  const { name, versions } = azure.vault.create();
  const rest = { status: { interval: "60s" } };
  await inWorld({ key: name, ...machineOf(azure), rest }, async ({ client }) => {
    const { requests } = azure.at.vault;
    const sentBy = async (work: () => Promise<unknown>) => {
      const before = requests.length;
      await work();
      // The host reads the version in the background.
      const sent = requests.slice(before).filter(({ method }) => method === "POST");
      return sent.map(({ path }) => path.slice(`/keys/${name}/${versions[0]?.id}/`.length));
    };
    const sealed = await roundTrip(client);
    const encrypt = () => client.encrypt({ plaintext: SEED });
    assert.deepEqual(await sentBy(encrypt), ["wrapkey", "unwrapkey"]);
    assert.deepEqual(await sentBy(() => client.decrypt(sealed)), ["unwrapkey"]);
    assert.deepEqual(await sentBy(() => client.status()), []);
  });
});

describe("the key", () => {
  test("has another key_id after a rotation, and decrypts with both versions, also after a start of the host", async () => {
    const key = azure.vault.create();
    let before: Awaited<ReturnType<typeof roundTrip>>;
    await inWorld({ key: key.name, ...machineOf(azure) }, async ({ client }) => {
      before = await roundTrip(client);
      rotate(key);
      await untilWell(async () => assert.notEqual((await roundTrip(client)).keyId, before.keyId));
      assert.deepEqual(new Uint8Array((await client.decrypt(before)).plaintext), SEED);
    });
    await inWorld({ key: key.name, ...machineOf(azure) }, async ({ client }) => {
      assert.deepEqual(new Uint8Array((await client.decrypt(before)).plaintext), SEED);
    });
  });

  test("whose version is disabled is told with the command that enables it", async () => {
    const key = azure.vault.create();
    await inWorld({ key: key.name, ...machineOf(azure) }, async ({ client, fixture }) => {
      const sealed = await roundTrip(client);
      for (const version of key.versions) version.enabled = false;
      assert.equal(await codeOf(client.decrypt(sealed)), FAILED_PRECONDITION);
      assert.match(fixture.readLog(), /enable it: az keyvault key set-attributes --enabled true --name kek-/);
    });
  });

  test("refuses a changed ciphertext, in the wrapped key and in the seal", async () => {
    await inWorld({ key: azure.vault.create().name, ...machineOf(azure) }, async ({ client }) => {
      const sealed = await roundTrip(client);
      for (const at of [100, 300]) {
        const ciphertext = Uint8Array.from(sealed.ciphertext);
        ciphertext[at] = (ciphertext[at] ?? 0) ^ 1;
        assert.equal(await codeOf(client.decrypt({ ...sealed, ciphertext })), INVALID_ARGUMENT);
      }
    });
  });
});

test("calls wait while the vault throttles or fails, and succeed within their deadline", async () => {
  await inWorld({ key: azure.vault.create().name, ...machineOf(azure) }, async ({ client }) => {
    const sealed = await roundTrip(client);
    for (const [status, code] of [
      [429, "Throttled"],
      [503, "ServiceUnavailable"],
    ] as const) {
      azure.vault.faults.push({ status, code, times: 3, operation: "unwrapkey" });
      assert.deepEqual(new Uint8Array((await client.decrypt(sealed)).plaintext), SEED);
      assert.equal(azure.vault.faults.length, 0);
    }
  });
});

describe("the credential", () => {
  test("without a role is told with the command that assigns it", async () => {
    const { client: id, object, secrets } = azure.entra.application();
    secrets.push("a.client~secret");
    const key = azure.vault.create();
    const application = applicationOf(azure, "client-secret", id, "a.client~secret");
    await inWorld({ key: key.name, ...application }, async ({ client, fixture }) => {
      const sealed = await roundTrip(client);
      azure.vault.granted.set(object, new Set(["read"]));
      assert.equal(await codeOf(client.decrypt(sealed)), UNAUTHENTICATED);
      const log = fixture.readLog();
      assert.ok(log.includes(`--assignee ${object} --scope /subscriptions/0/`), log);
    });
  });

  test("is replaced when the vault refuses a token", async () => {
    azure.entra.lifeMs = 25_000;
    try {
      await inWorld({ key: azure.vault.create().name, ...machineOf(azure) }, async ({ client, fixture }) => {
        await roundTrip(client);
        azure.entra.lifeMs = 3_599_000;
        for (const access of azure.entra.issued.values()) access.expires = 0;
        await untilWell(() => roundTrip(client));
        assert.match(fixture.readLog(), /"credential":"login"/);
      });
    } finally {
      azure.entra.lifeMs = 3_599_000;
    }
  });
});
