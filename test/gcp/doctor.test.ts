/** kleidi doctor with the stand-in for Google Cloud: the identity of the host, the role that it lacks, and one that is too much. */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { after, before, test } from "node:test";
import { FakeGcp } from "../support/gcp/gcp.ts";
import { KEY_USE } from "../support/gcp/kms.ts";
import { accountKey, type GcpNodeOptions, gcpNode, machineOf } from "../support/gcp-node.ts";

let gcp: FakeGcp;
before(async () => {
  gcp = await FakeGcp.start();
});
after(() => gcp.close());

/** The lines that doctor prints, and its exit code. */
async function doctor(options: Omit<GcpNodeOptions, "gcp">): Promise<{ status: number; text: string }> {
  const fixture = gcpNode({ gcp, ...options });
  try {
    return await fixture.runAside("doctor").then(
      ({ stdout }) => ({ status: 0, text: stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ status: code, text: stdout }),
    );
  } finally {
    await fixture.close();
  }
}

test("names the identity and its permissions, and finds the key", async () => {
  const { name } = gcp.kms.create("found");
  const { email } = gcp.oauth.account("named");
  const { status, text } = await doctor({ key: name, ...accountKey(gcp, "named") });
  assert.equal(status, 0, text);
  assert.match(text, /^ok {3}net gcp login: the host has a token of Google by service-account, until /m);
  assert.ok(text.includes(`ok   net gcp identity: the host is serviceAccount:${email}\n`), text);
  assert.ok(text.includes(`ok   net gcp policy: ${KEY_USE.join(", ")} on ${name}\n`), text);
  assert.match(text, /^ok {3}net gcp key kek: version 1\.[0-9a-f]{16}, 0 older versions$/m);
});

test("prints the command for each role that is missing, and warns of a permission to destroy", async () => {
  const { name } = gcp.kms.create("roles");
  const member = `serviceAccount:${gcp.metadata.email}`;
  const bind = `gcloud kms keys add-iam-policy-binding roles --project=kleidi-test --location=europe-west3 --keyring=clusters --member=${member} --role=roles/cloudkms`;
  try {
    for (const [missing, role] of [
      [KEY_USE[0], "viewer"],
      [KEY_USE[1], "cryptoKeyEncrypterDecrypter"],
      [KEY_USE[2], "cryptoKeyEncrypterDecrypter"],
    ] as const) {
      gcp.kms.granted.set(member, new Set(KEY_USE.filter((each) => each !== missing)));
      const { status, text } = await doctor({ key: name, ...machineOf(gcp) });
      assert.equal(status, 1);
      assert.ok(
        text.includes(`FAIL net gcp policy: ${missing} on ${name}: missing, or there is no such key`),
        text,
      );
      assert.ok(text.includes(`Add the role: ${bind}.${role}\n`), text);
    }
    gcp.kms.granted.set(member, new Set([...KEY_USE, "cloudkms.cryptoKeyVersions.destroy"]));
    const { status, text } = await doctor({ key: name, ...machineOf(gcp) });
    assert.equal(status, 0, text);
    assert.match(
      text,
      /^warn net gcp policy: .*; and cloudkms\.cryptoKeyVersions\.destroy, which nothing needs/m,
    );
  } finally {
    gcp.kms.granted.delete(member);
  }
});

test("tells a machine without an account, and one whose scopes do not include KMS", async () => {
  const { name } = gcp.kms.create("scopes");
  const { email, scopes } = gcp.metadata;
  gcp.metadata.email = undefined;
  assert.match((await doctor({ key: name, ...machineOf(gcp) })).text, /no service account; attach one/);
  gcp.metadata.email = email;
  gcp.metadata.scopes = [];
  try {
    const { status, text } = await doctor({ key: name, ...machineOf(gcp) });
    assert.equal(status, 1);
    assert.match(text, /access scopes of the machine do not include KMS/);
  } finally {
    gcp.metadata.scopes = scopes;
  }
});

test("check reports a key file that others may read or that is of another kind, and contacts nobody", async () => {
  const before = gcp.at.kms.requests.length;
  const { name } = gcp.kms.create("check");
  const fixture = gcpNode({ gcp, key: name, ...accountKey(gcp, "check") });
  const other = gcpNode({
    gcp,
    key: name,
    ...accountKey(gcp, "check"),
    files: { "key.json": '{"type":"external_account"}' },
  });
  try {
    assert.equal(fixture.run("check").status, 0);
    chmodSync(`${fixture.folder}/key.json`, 0o644);
    assert.match(fixture.run("check").stdout, /^FAIL net gcp files: .*0644/m);
    assert.match(other.run("check").stdout, /^FAIL net gcp files: .*with source: workload-identity/m);
    assert.equal(gcp.at.kms.requests.length, before);
  } finally {
    await fixture.close();
    await other.close();
  }
});
