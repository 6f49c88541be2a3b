/** A real API server encrypts its Secrets with the local provider. The tests build on each other, like an operator's day. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { Fixture, localConfig } from "../support/fixture.ts";
import { ApiServer, Etcd, until } from "./servers.ts";

const PREFIX = "k8s:enc:kms:v2:kleidi:";
const VALUE = "a-value-that-must-not-lie-in-etcd";

describe("kube-apiserver with the local provider", () => {
  const fixture = new Fixture();
  const etcd = new Etcd(fixture.folder);
  const api = new ApiServer(fixture.folder, etcd, fixture.socket);
  let host: ChildProcess;

  before(async () => {
    fixture.write(localConfig([{ name: "kek-1", use: "active" }])).keyInit("kek-1");
    host = await fixture.serve();
    await etcd.start();
    await api.start();
  });

  after(async () => {
    // The API server first: without etcd it takes long to stop.
    await api.stop();
    await etcd.stop();
    await fixture.close();
  });

  async function keyId(): Promise<string> {
    const client = new KmsClient(fixture.socket);
    try {
      return (await client.status()).keyId;
    } finally {
      client.close();
    }
  }

  async function stored(name: string): Promise<Buffer> {
    const [value] = await etcd.values(`/registry/secrets/default/${name}`);
    assert.ok(value, `${name} is in etcd`);
    return value;
  }

  test("a Secret is stored in etcd with the plugin's prefix, and its plaintext nowhere", async () => {
    await api.createSecret("first", VALUE);
    const value = await stored("first");
    assert.equal(value.subarray(0, PREFIX.length).toString(), PREFIX);
    assert.ok(value.includes(await keyId()), "the stored object names the key_id");
    const all = await etcd.values("/", true);
    assert.ok(all.length > 10, "etcd holds the objects that an API server writes at its start");
    const encoded = Buffer.from(VALUE).toString("base64");
    for (const each of all) {
      assert.ok(!each.includes(VALUE) && !each.includes(encoded), "no value in etcd contains the Secret");
    }
    assert.equal(await api.readSecret("first"), VALUE);
  });

  test("/readyz shows the KMS check", async () => {
    const { body } = await api.get("/readyz?verbose");
    assert.match(body, /^\[\+\]kms-providers ok$/m);
  });

  test("the Secret reads back after a restart of the API server", async () => {
    await api.stop();
    await api.start();
    assert.equal(await api.readSecret("first"), VALUE);
  });

  test("the Secret reads back after a restart of the host and of the API server", async () => {
    assert.equal(await Fixture.stop(host), 0);
    host = await fixture.serve();
    await api.stop();
    await api.start();
    assert.equal(await api.readSecret("first"), VALUE);
  });

  test("while the host is down, cached reads continue and readyz fails; after its restart, readyz recovers", async () => {
    await Fixture.stop(host, "SIGKILL");
    assert.equal(await api.readSecret("first"), VALUE);
    await until("readyz fails", async () => (await api.get("/readyz/kms-providers")).status === 500);
    assert.match((await api.get("/readyz?verbose")).body, /^\[-\]kms-providers failed/m);
    // the table of docs/operate/api-server.md
    const probes = ["/livez", "/livez?exclude=kms-providers", "/readyz?exclude=kms-providers", "/healthz"];
    const statuses = await Promise.all(probes.map(async (path) => (await api.get(path)).status));
    assert.deepEqual(statuses, [200, 200, 200, 500]);
    assert.equal(await api.readSecret("first"), VALUE);
    // The host replaces the socket of the killed one.
    host = await fixture.serve();
    await until("readyz is good", async () => (await api.get("/readyz/kms-providers")).status === 200);
  });

  test("with a second key active, new Secrets carry its key_id and old ones can still be read", async () => {
    const before = await keyId();
    const keys = [
      { name: "kek-2", use: "active" },
      { name: "kek-1", use: "decrypt" },
    ] as const;
    fixture.write(localConfig(keys, { admin: { listen: "unix:admin.sock" } }));
    fixture.keyInit("kek-2");
    await Fixture.stop(host);
    host = await fixture.serve();
    const now = await keyId();
    assert.notEqual(now, before);
    // The API server polls Status every 60 s; a restart makes it ask at once.
    await api.stop();
    await api.start();
    await api.createSecret("second", VALUE);
    assert.ok((await stored("second")).includes(now), "the new Secret names the new key_id");
    assert.ok((await stored("first")).includes(before), "the old Secret still names the old one");
    assert.equal(await api.readSecret("first"), VALUE);
    assert.equal(await api.readSecret("second"), VALUE);
  });

  /** The findings of doctor on the API server and its file, and the exit code. */
  async function doctor(...words: string[]) {
    const options = ["--encryption-config", api.encryptionConfig, "--kubeconfig", api.kubeconfig(), "--json"];
    const { stdout, code } = await fixture.runAside("doctor", ...options, ...words).then(
      ({ stdout }) => ({ stdout, code: 0 }),
      ({ stdout, code }: { stdout: string; code: number }) => ({ stdout, code }),
    );
    const { findings } = JSON.parse(stdout) as {
      findings: { subject: string; ok: boolean; detail: string }[];
    };
    const own = findings.filter(({ subject }) => /^(API server|encryption config|\/)/.test(subject));
    assert.ok(
      findings.every(({ ok, subject }) => ok || own.some((each) => each.subject === subject)),
      stdout,
    );
    return { code, text: own.map(({ ok, detail }) => `${ok ? "ok" : "FAIL"} ${detail}`).join("\n") };
  }

  test("doctor compares the file and the keys with the API server, and counts the objects left under an old key", async () => {
    const { code, text } = await doctor("--count");
    assert.equal(code, 1, text);
    assert.match(text, /^ok .*encryption\.yaml writes Secrets through this host$/m);
    assert.match(text, /^ok the file is in force: sha256:[0-9a-f]{16}…$/m);
    assert.match(text, /^ok no reload of the encryption config failed since its start$/m);
    assert.match(text, /^ok Status last gave it the active key kek-2 \(sha256:[0-9a-f]{16}…\) at \d{4}-/m);
    assert.match(text, /^ok last wrote under the active key kek-2 /m);
    assert.match(text, /^ok \d+ reads under key kek-1 .* objects were under it/m);
    assert.match(text, /^ok of 2 objects of secrets, 1 were read under the active key kek-2 /m);
    assert.match(text, /^FAIL of 2 objects of secrets, 1 were read under key kek-1 /m);
  });

  test("after the old Secret was rewritten, doctor reports that nothing is left under the old key", async () => {
    await api.rewriteSecret("first");
    const { code, text } = await doctor("--count");
    assert.match(
      text,
      /^ok no object is left under an older key: 2 reads of 2 objects were under the active one$/m,
    );
    assert.equal(code, 0, text);
  });

  test("doctor reports that another file is in force", async () => {
    const text = readFileSync(api.encryptionConfig, "utf8");
    writeFileSync(api.encryptionConfig, `${text}\n`);
    try {
      const { code, text } = await doctor();
      assert.equal(code, 1, text);
      assert.match(text, /^FAIL another encryption config is in force: sha256:/m);
    } finally {
      writeFileSync(api.encryptionConfig, text);
    }
  });
});
