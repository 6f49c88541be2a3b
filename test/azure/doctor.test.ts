/** kleidi doctor with the stand-in for Azure: the identity of the host, and the role that it lacks. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FakeAzure } from "../support/azure/azure.ts";
import { TENANT } from "../support/azure/entra.ts";
import { type AzureNodeOptions, applicationOf, azureNode, machineOf } from "../support/azure-node.ts";

let azure: FakeAzure;
before(async () => {
  azure = await FakeAzure.start();
});
after(() => azure.close());

/** The lines that doctor prints, and its exit code. */
async function doctor(options: Omit<AzureNodeOptions, "azure">): Promise<{ status: number; text: string }> {
  const fixture = azureNode({ azure, ...options });
  try {
    return await fixture.runAside("doctor", "--live").then(
      ({ stdout }) => ({ status: 0, text: stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ status: code, text: stdout }),
    );
  } finally {
    await fixture.close();
  }
}

test("names the identity, and finds the key", async () => {
  const { name, versions } = azure.vault.create();
  const { status, text } = await doctor({ key: name, ...machineOf(azure) });
  assert.equal(status, 0, text);
  assert.match(
    text,
    /^ok {3}net azure login: the host has a token of Microsoft Entra ID by managed-identity, until /m,
  );
  const { object } = azure.entra.machine[0] ?? {};
  assert.ok(
    text.includes(`ok   net azure identity: the host is the object ${object} of the tenant ${TENANT}\n`),
    text,
  );
  assert.ok(
    text.includes(`ok   net azure key kek: version rsa.${versions[0]?.id}, 0 older versions\n`),
    text,
  );
});

test("prints the command that assigns the role, for each action that is missing", async () => {
  const { name } = azure.vault.create();
  const { client, object, secrets } = azure.entra.application();
  secrets.push("a.client~secret");
  for (const actions of [[], ["read"], ["read", "wrap/action"]]) {
    azure.vault.granted.set(object, new Set(actions));
    const { status, text } = await doctor({
      key: name,
      ...applicationOf(azure, "client-secret", client, "a.client~secret"),
    });
    assert.equal(status, 1);
    assert.match(
      text,
      /az role assignment create --role "Key Vault Crypto Service Encryption User" --assignee [0-9a-f-]{36} --scope/,
    );
  }
});

test("tells a secret of another application, and a machine without an identity", async () => {
  const { name } = azure.vault.create();
  const { client } = azure.entra.application();
  const wrong = await doctor({ key: name, ...applicationOf(azure, "client-secret", client, "x") });
  assert.match(wrong.text, /^FAIL net azure login: .*\(401, AADSTS7000215\)/m);
  const machine = machineOf(azure);
  const kept = azure.entra.machine;
  azure.entra.machine = [];
  try {
    assert.match(
      (await doctor({ key: name, ...machine })).text,
      /^FAIL net azure login: .*az vm identity assign/m,
    );
  } finally {
    azure.entra.machine = kept;
  }
});

test("check reports a certificate file without a key, and contacts nobody", async () => {
  const before = azure.at.vault.requests.length;
  const { client } = azure.entra.application();
  const broken = azureNode({ azure, key: "kek", ...applicationOf(azure, "client-certificate", client, "x") });
  try {
    assert.match(broken.run("check").stdout, /^FAIL net azure files: .*it has no certificate in PEM/m);
    assert.equal(azure.at.vault.requests.length, before);
  } finally {
    await broken.close();
  }
});
