/** kleidi migrate and kleidi etcd scan on a real etcd with two API servers. The tests build on each other: a rotation from kek-1 to kek-2. */
import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hashOf } from "../../host/cluster/key-usage.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { saveSnapshot } from "../support/etcd-snapshot.ts";
import { Fixture, type Key, kleidi, localConfig } from "../support/fixture.ts";
import { ApiServer, Etcd } from "./servers.ts";

const COUNT = 30;
const VALUE = "a-value-that-must-not-leave-the-api-server";
const OLD: readonly Key[] = [{ name: "kek-1", use: "active" }];
const NEW: readonly Key[] = [
  { name: "kek-2", use: "active" },
  { name: "kek-1", use: "decrypt" },
];
const admin = { admin: { listen: "unix:admin.sock" } };
/** The names in the order of the API server's list. */
const NAMES = Array.from({ length: COUNT }, (_, i) => `s-${String(i).padStart(2, "0")}`);

interface Report {
  readonly code: number;
  readonly lines: string[];
  readonly scan?: {
    groups: readonly {
      resource: string;
      kind: string;
      count: number;
      key?: string;
      state?: string;
      names?: string[];
    }[];
  };
}

describe("a migration after a rotation", () => {
  const fixture = new Fixture();
  const otherFolder = join(fixture.folder, "other");
  mkdirSync(otherFolder);
  const etcd = new Etcd(fixture.folder);
  const api = new ApiServer(fixture.folder, etcd, fixture.socket);
  const other = new ApiServer(otherFolder, etcd, fixture.socket, { tokensOf: api });
  const position = join(fixture.folder, "position.json");
  const snapshot = join(fixture.folder, "snapshot.db");
  let host: ChildProcess;
  let kubeconfig = "";

  before(async () => {
    fixture.write(localConfig(OLD, admin)).keyInit("kek-1");
    host = await fixture.serve();
    await etcd.start();
    await Promise.all([api.start(), other.start()]);
    // One file for both: each server has made its own certificate.
    kubeconfig = api.kubeconfig();
    const both = [api, other].map(({ certificate }) => readFileSync(certificate, "utf8")).join("");
    writeFileSync(join(fixture.folder, "both.crt"), both);
    writeFileSync(kubeconfig, readFileSync(kubeconfig, "utf8").replace("certs/apiserver.crt", "both.crt"));
    for (const name of NAMES) await api.createSecret(name, VALUE);
    fixture.write(localConfig(NEW, admin)).keyInit("kek-2");
    await Fixture.stop(host);
    host = await fixture.serve();
  });

  after(async () => {
    await Promise.all([api.stop(), other.stop()]);
    await etcd.stop();
    await fixture.close();
  });

  /** Like Fixture.run, beside this process, with this configuration unless the words have another one. */
  function runProgram(...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
    const config = words.includes("--config") ? [] : ["--config", fixture.config];
    return new Promise((resolve) =>
      execFile(kleidi, [...words, ...config], (error, stdout, stderr) =>
        resolve({ status: Number(error?.code ?? 0), stdout, stderr }),
      ),
    );
  }

  /** Runs a command with --json. It never prints a value, nor a token. */
  async function run(...words: string[]): Promise<Report> {
    const { stdout, stderr, status: code } = await runProgram(...words, "--json");
    for (const secret of [VALUE, Buffer.from(VALUE).toString("base64"), api.token])
      assert.ok(!stdout.includes(secret) && !stderr.includes(secret), "no secret is printed");
    assert.equal(stderr, "");
    const { findings, ...rest } = JSON.parse(stdout);
    const lines = findings.map(
      ({ level, subject, detail }: { level: string; subject: string; detail: string }) =>
        `${level} ${subject}: ${detail}`.replaceAll(api.url, "API").replaceAll(other.url, "OTHER"),
    );
    return { code, lines, ...rest };
  }

  const migrate = (...words: string[]) => run("migrate", "--kubeconfig", kubeconfig, ...words);

  function assertLine({ lines }: Report, pattern: RegExp): void {
    assert.ok(
      lines.some((line) => pattern.test(line)),
      `${pattern}\n${lines.join("\n")}`,
    );
  }

  test("it does not begin while an API server writes with another key than the host's", async (t) => {
    const aside = new Fixture();
    t.after(() => aside.close());
    aside.write(localConfig([{ name: "kek-3", use: "active" }])).keyInit("kek-3");
    await aside.serve();
    const report = await migrate("--server", other.url, "--config", aside.config);
    assert.equal(report.code, 1);
    assertLine(
      report,
      /^fail API server API: Status last gave it key \(sha256:.*; the active key of the host is another one$/,
    );
    assertLine(report, /^fail API server OTHER: Status last gave it key /);
    assert.equal(report.lines.length, 2, "nothing was rewritten");
  });

  test("--dry-run counts what is left, and writes nothing", async () => {
    // An API server polls once a minute; a restart makes it ask at once.
    await Promise.all([api.stop(), other.stop()]);
    await Promise.all([api.start(), other.start()]);
    const before = await etcd.values("/registry/secrets/", true);
    const report = await migrate("--dry-run", "--etcd", etcd.url);
    assert.equal(report.code, 1);
    assertLine(report, /^fail etcd secrets: 30 objects under kms v2 kleidi, key_id k1\./);
    assertLine(report, /^fail API server API: of 30 objects of secrets, 30 were read under key kek-1 /);
    assert.deepEqual(await etcd.values("/registry/secrets/", true), before);
  });

  test("it continues from a position of the same key, and the count finds what was skipped", async () => {
    const client = new KmsClient(fixture.socket);
    const key = hashOf((await client.status()).keyId);
    client.close();
    const left = { key, resources: ["secrets"], resource: "secrets", after: `default/${NAMES[19]}` };
    writeFileSync(position, JSON.stringify(left));
    const report = await migrate("--position", position);
    assert.equal(report.code, 1);
    assertLine(report, /^ok secrets: continues after default\/s-19, the position of an earlier run$/);
    assertLine(
      report,
      /^ok secrets: 10 objects were sent in .*: 10 were rewritten, the others were current$/,
    );
    assertLine(report, /^fail API server API: of 30 objects of secrets, 20 were read under key kek-1 /);
    assert.equal(existsSync(position), false, "the file is removed at the end");
  });

  test("a position of another key is not used, and a file that is not a position is refused", async () => {
    writeFileSync(position, "{}");
    const refused = await runProgram("migrate", "--kubeconfig", kubeconfig, "--position", position);
    assert.equal(refused.status, 2, refused.stderr);
    assert.equal(
      refused.stderr,
      `error: Cannot read the position in ${position}: it is not a file of kleidi migrate; give another path\n`,
    );
    assert.equal(readFileSync(position, "utf8"), "{}");
    writeFileSync(
      position,
      JSON.stringify({ key: "sha256:of-another", resources: ["secrets"], resource: "secrets", after: "z" }),
    );
  });

  test("it rewrites what is stale, leaves the rest unchanged, and proves it over both API servers", async () => {
    const versions = await resourceVersions();
    const report = await migrate(
      "--position",
      position,
      "--server",
      other.url,
      "--encryption-config",
      api.encryptionConfig,
      "--etcd",
      etcd.url,
    );
    assert.equal(report.code, 0, report.lines.join("\n"));
    assertLine(
      report,
      /^ok secrets: 30 objects were sent in .*: 20 were rewritten, the others were current$/,
    );
    assertLine(
      report,
      /^ok API server API: no object is left under an older key: 30 reads of 30 objects were under the active one$/,
    );
    assertLine(report, /^ok API server OTHER: used no older key while the objects were counted$/);
    assertLine(report, /^ok etcd: all 30 objects of secrets in http:.* are under the active key$/);
    const changed = (await resourceVersions()).filter((version, i) => version !== versions[i]);
    assert.equal(changed.length, 20);
    for (const name of [NAMES[0], NAMES[29]]) assert.equal(await other.readSecret(name ?? ""), VALUE);
  });

  test("a second run writes nothing", async () => {
    const before = await etcd.values("/registry/secrets/", true);
    const report = await migrate();
    assert.equal(report.code, 0);
    assertLine(report, /^ok secrets: 30 objects were sent in .*: 0 were rewritten, the others were current$/);
    assert.deepEqual(await etcd.values("/registry/secrets/", true), before);
  });

  describe("etcd scan", () => {
    let live: Report;

    before(async () => {
      const [value = Buffer.alloc(0)] = await etcd.values("/registry/secrets/default/s-00");
      const [clear = Buffer.alloc(0)] = await etcd.values("/registry/namespaces/default");
      const foreign = Buffer.from(
        value.toString("latin1").replace(/k1\.[\w-]{43}/, `k1.${"x".repeat(43)}`),
        "latin1",
      );
      const put = (name: string, bytes: Uint8Array) => etcd.put(`/registry/secrets/default/${name}`, bytes);
      await put("cut", value.subarray(0, -20));
      await put("lost-1", foreign);
      await put("lost-2", foreign);
      await put("clear", clear);
      await put("cbc", Buffer.from("k8s:enc:aescbc:v1:key1:0123456789abcdef0123456789abcdef"));
      await put("v1", Buffer.from("k8s:enc:kms:v1:old:0123456789abcdef0123456789abcdef"));
      await etcd.delete("/registry/secrets/default/s-29");
      live = await run("etcd", "scan", etcd.url);
      await saveSnapshot(etcd.url, snapshot);
    });

    test("of a running etcd: each object by provider and key, those that are damaged, in clear or lost", () => {
      assert.equal(live.code, 1);
      assertLine(
        live,
        /^ok secrets: 29 objects under kms v2 kleidi, the active key kek-2, k1\..* \(sha256:[0-9a-f]{16}…\)$/,
      );
      assertLine(
        live,
        /^fail secrets: 2 objects under kms v2 kleidi, key_id k1\.x{43} \(.*\), which no configured key can read: \/registry\/secrets\/default\/lost-1, \/registry\/secrets\/default\/lost-2$/,
      );
      assertLine(
        live,
        /^fail secrets: 1 object damaged: \/registry\/secrets\/default\/cut: it is not a valid EncryptedObject of KMS v2: it was cut or changed$/,
      );
      assertLine(live, /^fail secrets: 1 object in clear: \/registry\/secrets\/default\/clear$/);
      assertLine(live, /^warn secrets: 1 object under aescbc v1 key1, which is not read here$/);
      assertLine(live, /^warn secrets: 1 object under kms v1 old, which is not read here$/);
      assertLine(live, /^ok other resources: \d+ objects of \d+ other resources are in clear$/);
      assert.equal(live.lines.length, 8, live.lines.join("\n"));
    });

    test("of a snapshot: the same objects, and the checksum", async () => {
      const report = await run("etcd", "scan", snapshot);
      assertLine(report, /^ok etcd: .* objects at revision \d+, and its SHA-256 is right$/);
      assert.deepEqual(countsOf(report), countsOf(live));
    });

    test("of a snapshot that was changed: the checksum, and the objects that can be read", async () => {
      const bytes = readFileSync(snapshot);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      writeFileSync(snapshot, bytes);
      const report = await run("etcd", "scan", snapshot);
      assertLine(
        report,
        /^fail etcd: the SHA-256 at the end of .* is not that of the file: it was cut or changed$/,
      );
      assert.deepEqual(countsOf(report), countsOf(live));
    });

    test("of the store of an etcd that is stopped: the same objects", async () => {
      await Promise.all([api.stop(), other.stop()]);
      await etcd.stop();
      const report = await run("etcd", "scan", join(fixture.folder, "etcd-data", "member", "snap", "db"));
      assertLine(report, /^ok etcd: .* objects at revision \d+$/);
      const secrets = (report: Report) => countsOf(report).filter((group) => group.includes('"secrets"'));
      assert.deepEqual(secrets(report), secrets(live));
    });
  });

  /** The groups without the names: a file and an endpoint have another order. */
  function countsOf({ scan }: Report): string[] {
    return (scan?.groups ?? []).map((group) => JSON.stringify({ ...group, names: undefined }));
  }

  async function resourceVersions(): Promise<string[]> {
    const { body } = await api.get("/api/v1/namespaces/default/secrets");
    return JSON.parse(body).items.map(
      (each: { metadata: { resourceVersion: string } }) => each.metadata.resourceVersion,
    );
  }
});
