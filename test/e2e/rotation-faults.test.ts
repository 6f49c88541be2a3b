/**
 * A rotation on two nodes, each with an API server over the same etcd, and one OpenBao. In each step the provider's processes are killed
 * and the KMS goes away; the second node follows late, and one goes back. Both API servers read every object all the time. The tests build
 * on each other.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { type Fixture, kleidi } from "../support/fixture.ts";
import { ageHistory } from "../support/history.ts";
import { OpenBao } from "../support/openbao.ts";
import { keyRules, Setup } from "../support/openbao-setup.ts";
import { untilWell } from "../support/until-well.ts";
import { vaultNode } from "../support/vault-node.ts";
import { ApiServer, Etcd, until } from "./servers.ts";

const VALUE = "a-value";
const HOUR = 3_600_000;

interface Result {
  readonly code: number;
  readonly out: string;
}

/** A node: its host, and the API server that calls it. */
class Node {
  readonly fixture: Fixture;
  readonly client: KmsClient;
  readonly api: ApiServer;
  host: ChildProcess | undefined;

  constructor(bao: OpenBao, token: string, etcd: Etcd, first?: ApiServer) {
    this.fixture = vaultNode({
      origin: bao.url,
      token,
      net: { networks: ["127.0.0.0/8"], tls: { ca: bao.authority.file } },
      rest: { admin: { listen: "unix:admin.sock" } },
    });
    const folder = join(this.fixture.folder, "api-server");
    mkdirSync(folder);
    this.client = new KmsClient(this.fixture.socket);
    this.api = new ApiServer(folder, etcd, this.fixture.socket, first && { tokensOf: first });
  }

  /** Runs a command with this node's configuration. */
  run(...words: string[]): Promise<Result> {
    return new Promise((resolve) =>
      execFile(kleidi, [...words, "--config", this.fixture.config], (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), out: stdout + stderr }),
      ),
    );
  }

  async must(...words: string[]): Promise<string> {
    const { code, out } = await this.run(...words);
    assert.equal(code, 0, `${words.join(" ")}: ${out}`);
    return out;
  }

  async keyId(): Promise<string> {
    return (await untilWell(() => this.client.status())).keyId;
  }

  /** Reloads while the processes of its provider are killed; again until it is applied. */
  async reloadKilled(): Promise<void> {
    const reload = this.run("reload");
    this.killProvider();
    const first = await reload;
    // It may have met a process that was gone, and then the former set serves.
    if (first.code !== 0) await untilWell(() => this.must("reload"));
    await this.keyId();
  }

  /** Kills the processes of the provider; those that the kernel ends with them are gone, too. */
  killProvider(): number {
    const pids = descendantsOf(this.host?.pid ?? 0);
    for (const pid of pids)
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended with its parent.
      }
    return pids.length;
  }

  /** The history as it will be when all waits are over. */
  age(): void {
    const { folder } = this.fixture;
    ageHistory(join(folder, "kleidi.history.jsonl"), [join(folder, "kleidi.history.mark")], HOUR);
  }

  /** The API server asks for Status at its start, and once a minute. */
  async restartApi(): Promise<void> {
    await this.api.stop();
    await this.api.start();
  }

  async close(): Promise<void> {
    await this.api.stop();
    this.client.close();
    await this.fixture.close();
  }
}

function descendantsOf(pid: number): number[] {
  let children = "";
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    return [];
  }
  return children
    .split(" ")
    .filter(Boolean)
    .flatMap((child) => [Number(child), ...descendantsOf(Number(child))]);
}

describe("a rotation whose steps meet faults", () => {
  let bao: OpenBao;
  let etcd: Etcd;
  let one: Node;
  let two: Node;
  let former: string;
  let kubeconfig: string;
  const names: string[] = [];
  const failures: string[] = [];
  /** The rounds of each reader. */
  const rounds = new Map<ApiServer, number>();
  /** Servers that are being restarted. */
  const away = new Set<ApiServer>();
  let over = false;
  let readers: Promise<unknown>;

  before(async () => {
    bao = await OpenBao.tls();
    const setup = new Setup(bao);
    await setup.kek("kek");
    await setup.key("kek-2");
    await setup.policy("kek-2", keyRules("kek-2"));
    const token = await setup.token({ policies: ["kek", "kek-2"] });
    const folder = join(bao.folder, "etcd");
    mkdirSync(folder);
    etcd = new Etcd(folder);
    one = new Node(bao, token, etcd);
    two = new Node(bao, token, etcd, one.api);
    await etcd.start();
    for (const node of [one, two]) node.host = await node.fixture.serve();
    await Promise.all([one.api.start(), two.api.start()]);
    former = await one.keyId();
    assert.equal(await two.keyId(), former);
    kubeconfig = one.api.kubeconfig();
    const both = [one.api, two.api].map(({ certificate }) => readFileSync(certificate, "utf8")).join("");
    writeFileSync(join(kubeconfig, "..", "both.crt"), both);
    writeFileSync(kubeconfig, readFileSync(kubeconfig, "utf8").replace("certs/apiserver.crt", "both.crt"));
    for (const node of [one, two]) await write(node);
    readers = Promise.all([one.api, two.api].map(readAll));
  });

  after(async () => {
    over = true;
    await readers;
    for (const node of [one, two]) await node?.close();
    await etcd?.stop();
    await bao?.stop();
  });

  /** Reads every object from etcd, all the time. */
  async function readAll(api: ApiServer): Promise<void> {
    while (!over) {
      for (const name of [...names]) {
        if (away.has(api)) break;
        await api.readSecret(name).catch((error: Error) => away.has(api) || failures.push(error.message));
      }
      rounds.set(api, (rounds.get(api) ?? 0) + 1);
      await sleep(100);
    }
  }

  /** Creates a Secret. @returns the key_id that it is stored under */
  async function write(node: Node): Promise<string> {
    const name = `s-${names.length}`;
    await node.api.createSecret(name, VALUE);
    names.push(name);
    const [stored] = await etcd.values(`/registry/secrets/default/${name}`);
    return /k1\.[\w-]{43}/.exec(stored?.toString("latin1") ?? "")?.[0] ?? "";
  }

  async function restartApi(node: Node): Promise<void> {
    away.add(node.api);
    await node.restartApi();
    away.delete(node.api);
  }

  /** Two more rounds of each reader: every object is read, and none failed since the beginning. */
  async function assertAllRead(): Promise<void> {
    const before = new Map(rounds);
    await until("the readers read every object again", async () =>
      [one.api, two.api].every((api) => (rounds.get(api) ?? 0) >= (before.get(api) ?? 0) + 2),
    );
    assert.deepEqual(failures, []);
  }

  /** Work while the KMS is away for so long that Status fails. Each API server has read every object, so it has every seed. */
  async function withoutKms<T>(work: () => Promise<T>): Promise<T> {
    await assertAllRead();
    await bao.kill();
    try {
      await untilWell(async () => assert.rejects(one.client.status()));
      return await work();
    } finally {
      await bao.start();
      await bao.unseal();
      for (const node of [one, two]) await node.keyId();
    }
  }

  test("stage: refused without the KMS, applied when the provider's processes are killed", async () => {
    const text = one.fixture.readConfig();
    const { code } = await withoutKms(() => one.run("key", "rotate", "kek", "--as", "kek-2"));
    assert.equal(code, 1);
    assert.equal(one.fixture.readConfig(), text);
    for (const node of [one, two]) {
      await node.must("key", "rotate", "kek", "--as", "kek-2");
      await node.reloadKilled();
      await untilWell(async () => assert.match(await node.must("key", "list"), /kek-2/));
      assert.equal(await node.keyId(), former);
    }
    await assertAllRead();
  });

  test("promote: a reload without the KMS is refused and the former key serves; with killed processes it is applied", async () => {
    one.age();
    await untilWell(() => one.must("key", "promote", "kek-2"));
    const { code, out } = await withoutKms(() => one.run("reload"));
    assert.equal(code, 1, out);
    assert.equal(await one.keyId(), former);
    await one.reloadKilled();
    assert.notEqual(await one.keyId(), former);
    await assertAllRead();
  });

  test("two API servers that see the switch at different times write under two keys, and both read all", async () => {
    await restartApi(one);
    const now = await one.keyId();
    assert.deepEqual([await write(one), await write(two)], [now, former]);
    // A start reads every seed again: the second node has not promoted, and decrypts what the first one wrote.
    await restartApi(two);
    assert.deepEqual([await write(two), await two.keyId()], [former, former]);
    await assertAllRead();
  });

  test("a configuration that goes back after the promotion: every object is read, and check names the former key", async () => {
    const promoted = one.fixture.readConfig();
    one.fixture.write(two.fixture.readConfig());
    await one.must("reload");
    assert.equal(await one.keyId(), former);
    await restartApi(one);
    assert.equal(await write(one), former);
    await assertAllRead();
    const { code, out } = await one.run("check");
    assert.equal(code, 1);
    assert.match(out, /^FAIL history: key "kek" is active again after another key was/m);
    one.fixture.write(promoted);
    await one.must("reload");
    assert.notEqual(await one.keyId(), former);
    assert.doesNotMatch((await one.run("check")).out, /history/);
    await restartApi(one);
    await assertAllRead();
  });

  test("the second node follows late", async () => {
    two.age();
    await untilWell(() => two.must("key", "promote", "kek-2"));
    await two.reloadKilled();
    await restartApi(two);
    const now = await one.keyId();
    assert.deepEqual([await two.keyId(), await write(two), await write(one)], [now, now, now]);
    await assertAllRead();
  });

  const migrate = () =>
    one.run("migrate", "--kubeconfig", kubeconfig, "--server", two.api.url, "--etcd", etcd.url);

  test("migrate: the provider's processes are killed, the KMS goes away, and it ends when it is repeated", async () => {
    await withoutKms(migrate);
    const interrupted = migrate();
    one.killProvider();
    await interrupted;
    const { code, out } = await migrate();
    assert.equal(code, 0, out);
    for (const name of names) {
      const [stored] = await etcd.values(`/registry/secrets/default/${name}`);
      assert.ok(!stored?.includes(former), name);
    }
    await assertAllRead();
  });

  test("retire: refused without the KMS; the reload is applied when the provider's processes are killed", async () => {
    const proof = ["--encryption-config", one.api.encryptionConfig, "--kubeconfig", kubeconfig];
    const retire = () => one.run("key", "retire", "kek", ...proof);
    // Notes that the host serves with the new key, from when on the wait is counted.
    await retire();
    one.age();
    const text = one.fixture.readConfig();
    const { code } = await withoutKms(retire);
    assert.equal(code, 1);
    assert.equal(one.fixture.readConfig(), text);
    await untilWell(async () => {
      const result = await retire();
      assert.equal(result.code, 0, result.out);
    });
    await one.reloadKilled();
    await restartApi(one);
    await assertAllRead();
  });
});
