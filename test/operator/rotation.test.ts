/**
 * A rotation of 5,000 Secrets on a real control plane of two nodes with RBAC, from the first reconcile to the removal of the old key. Each
 * test continues from the state of the previous one; the controller is killed in each phase, and another replica continues.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { KmsClient } from "../../host/grpc/client.ts";
import type { EncryptionPolicyStatus } from "../../operator/api/encryption-policy.ts";
import type { KleidiNodeStatus } from "../../operator/api/kleidi-node.ts";
import { until } from "../e2e/servers.ts";
import { ask } from "../support/admin.ts";
import { Fixture, localModule, sha256Of } from "../support/fixture.ts";
import { ageHistory } from "../support/history.ts";
import { Cluster, type Node, type Program } from "./cluster.ts";
import {
  createResource,
  hashOfKey,
  LIMIT_MS,
  MERGE,
  nodeStatus,
  reachPhase,
  resource,
  rotationStatus,
} from "./resources.ts";
import { RefusingWebhook } from "./webhook.ts";

const SECRETS = 5000;
const OLD = [{ name: "kek-1", use: "active" }] as const;
const STAGED = [...OLD, { name: "kek-2", use: "decrypt" }] as const;
const PROMOTED = [
  { name: "kek-2", use: "active" },
  { name: "kek-1", use: "decrypt" },
] as const;
const RETIRED = [{ name: "kek-2", use: "active" }] as const;
const ANY = `sha256:${"0".repeat(64)}`;

describe("the operator on a control plane of two nodes", { timeout: 900_000 }, () => {
  const cluster = new Cluster();
  const webhook = new RefusingWebhook(cluster, "s-4999");
  let [from, to] = ["", ""];
  let controller: Program;
  let agents: Program[] = [];

  before(async () => await cluster.start(OLD));
  after(async () => {
    webhook.close();
    await cluster.close();
  });

  const node = (at: number) => cluster.nodes[at] as Node;
  const status = () => rotationStatus(cluster);
  const reach = (phase: string, reason?: string) => reachPhase(cluster, () => controller, phase, reason);
  const patch = (path: string, body: object) => cluster.api.ask("PATCH", path, body, MERGE);

  /** Kills the controller in its current phase; another replica takes over. */
  async function killController(): Promise<void> {
    await Fixture.stop(controller.process, "SIGKILL");
    controller = await start();
  }

  let replicas = 0;
  const start = () => {
    replicas += 1;
    return cluster.startController(`replica-${replicas}`, [
      "--migration-service-account",
      "kleidi-migration",
    ]);
  };

  test("the API server refuses resources that would lose a key", async () => {
    const waits = { pollSeconds: 59 };
    const policy = { resources: ["secrets"], minimumNodes: 2 };
    const refused: ["KeyRotation" | "EncryptionPolicy", string, object, RegExp][] = [
      ["KeyRotation", "x", { from: ANY, to: ANY }, /from and to are the same key_id/],
      ["KeyRotation", "x", { from: "kek-1", to: ANY }, /spec\.from in body should match/],
      ["EncryptionPolicy", "cluster", { resources: ["secrets"] }, /minimumNodes: Required/],
      [
        "EncryptionPolicy",
        "cluster",
        { ...policy, resources: ["*.*"] },
        /resources\[0\] in body should match/,
      ],
      [
        "EncryptionPolicy",
        "cluster",
        { ...policy, waits },
        /less than the time an API server takes to change its key/,
      ],
      ["EncryptionPolicy", "other", policy, /name it cluster/],
    ];
    for (const [kind, name, spec, message] of refused) {
      const answer = await createResource(cluster, kind, name, spec);
      assert.equal(answer.status, 422, answer.body);
      assert.match(JSON.parse(answer.body).message, message);
    }
  });

  test("an agent reports the same hashes as the API server, and only for its own node", async () => {
    agents = await Promise.all(cluster.nodes.map((each) => cluster.startAgent(each)));
    await until(
      "both nodes report",
      async () => {
        const { items } = await cluster.get<{ items: { status?: KleidiNodeStatus }[] }>(
          resource("kleidinodes"),
        );
        return (
          items.length === 2 &&
          items.every(({ status }) => status?.active && status.apiServer?.keys?.length === 1)
        );
      },
      LIMIT_MS,
    );
    const report = await nodeStatus(cluster);
    const kms = new KmsClient(node(0).fixture.socket);
    from = `sha256:${createHash("sha256")
      .update((await kms.status()).keyId)
      .digest("hex")}`;
    kms.close();
    const file = (path: string) => `sha256:${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
    assert.equal(report.active?.hash, from);
    assert.equal(report.apiServer?.keys?.[0]?.hash, from, "the API server's metrics name the same key");
    assert.equal(report.host?.configurationHash, file(node(0).fixture.config));
    assert.equal(report.apiServer?.configurationHash, file(`${node(0).fixture.folder}/encryption.yaml`));
    assert.ok(!JSON.stringify(report).includes("kms.sock"));
    const forge = async (method: string, path: string, name: string, of?: string) => {
      const token = readFileSync(await cluster.token("kleidi-agent", of), "utf8");
      const body = { apiVersion: "kleidi.dev/v1alpha1", kind: "KleidiNode", metadata: { name } };
      const type = method === "POST" ? {} : MERGE;
      const { status, body: answer } = await cluster.api.ask(method, path, body, { ...type, token });
      assert.equal(status, 403, answer);
      assert.match(answer, /only report the node that its token is bound to/);
    };
    await forge("PATCH", `${resource("kleidinodes", "cp-2")}/status`, "cp-2", "cp-1");
    await forge("PATCH", `${resource("kleidinodes", "cp-1")}/status`, "cp-1");
    await forge("POST", resource("kleidinodes"), "cp-3", "cp-1");
  });

  test("without a policy the rotation is Blocked; with one it is Staging, and names the node and the commands", async () => {
    node(0).configure(STAGED).fixture.keyInit("kek-2");
    await node(0).startHost();
    to = await hashOfKey(cluster, "kek-2");
    controller = await start();
    assert.equal((await createResource(cluster, "KeyRotation", "r", { from, to })).status, 201);
    await reach("Blocked", "PolicyMissing");
    // Long enough to observe the phase Waiting.
    const waits = { pollSeconds: 0, expirySeconds: 0, marginSeconds: 5, shorterThanAPIServer: true };
    const made = await createResource(cluster, "EncryptionPolicy", "cluster", {
      resources: ["secrets"],
      minimumNodes: 2,
      waits,
    });
    assert.equal(made.status, 201, made.body);
    const { message, nodes, commands = [] } = await reach("Staging");
    assert.match(message ?? "", /^Node cp-2 does not hold the new key/);
    assert.equal(nodes, "1/2");
    assert.match(
      commands.join("\n"),
      /^\[cp-2\] edit .*- \{ name: kek-2, provider: local, use: decrypt \}$/m,
    );
    const changed = await patch(resource("keyrotations", "r"), { spec: { to: ANY } });
    assert.match(JSON.parse(changed.body).message, /spec is immutable/);
  });

  test("two replicas: one works, the other takes over when the first is killed", async () => {
    const second = await start();
    const leads = async ({ port }: Program) =>
      /^kleidi_operator_leader 1$/m.test((await ask(`127.0.0.1:${port}`, "/metrics")).text);
    await until("the first leads", async () => await leads(controller));
    await until(
      "the second is ready",
      async () => (await ask(`127.0.0.1:${second.port}`, "/readyz")).status === 200,
    );
    assert.equal(await leads(second), false);
    await Fixture.stop(controller.process, "SIGKILL");
    await until("the second leads", async () => await leads(second), LIMIT_MS);
    controller = second;
  });

  test("a node whose agent stopped is unknown and blocks the rotation, which names it", async () => {
    await Fixture.stop((agents[1] as Program).process, "SIGKILL");
    const { message } = await reach("Blocked", "NodeUnknown");
    assert.match(message ?? "", /^Node cp-2 /);
  });

  test("agent --once sends a report that is valid for four intervals, and exits with 1 if it is not accepted", async () => {
    const before = (await nodeStatus(cluster, "cp-2")).observedAt;
    const report = async (of: string) => {
      const token = await cluster.token("kleidi-agent", of);
      const { process } = await cluster.startAgent(node(1), ["--once", "--token-file", token]);
      return process.exitCode ?? (await once(process, "exit"))[0];
    };
    assert.equal(await report("cp-1"), 1, "the token of another node");
    assert.equal((await nodeStatus(cluster, "cp-2")).observedAt, before);
    assert.equal(await report("cp-2"), 0);
    assert.notEqual((await nodeStatus(cluster, "cp-2")).observedAt, before);
  });

  test("differences between nodes are reported for each node", async () => {
    agents[1] = await cluster.startAgent(node(1));
    const other = join(node(1).fixture.folder, "other.wasm");
    // A custom section with the name x: another digest, the same program.
    writeFileSync(other, Buffer.concat([readFileSync(localModule), Buffer.from([0, 2, 1, 0x78])]));
    node(1).configure(OLD, {
      providers: {
        local: { module: other, sha256: sha256Of(other), grants: { keystore: { keys: ["kek-1"] } } },
      },
      sandbox: { wall: "none" },
    });
    await node(1).startHost();
    const drift = async () => {
      const path = resource("encryptionpolicies", "cluster");
      const { status } = await cluster.get<{ status: EncryptionPolicyStatus }>(path);
      return status;
    };
    const all = ["EncryptionConfiguration", "Configuration", "Module", "Wall"];
    const expected = all.flatMap((of) => [`${of} cp-1`, `${of} cp-2`]);
    const listed = async () => (await drift()).drift?.map(({ of, node }) => `${of} ${node}`) ?? [];
    await until("all four are listed", async () => isDeepStrictEqual(await listed(), expected), LIMIT_MS);
    const { conditions = [] } = await drift();
    const inSync = conditions.find(({ type }) => type === "InSync");
    assert.equal(inSync?.status, "False");
    assert.match(inSync?.message ?? "", /Wall of cp-2: none/);
    await reach("Staging");
  });

  test("5,000 Secrets are written with the old key", async () => {
    const work = async (first: number) => {
      for (let at = first; at < SECRETS; at += 16)
        await node(at % 2).api.createSecret(`s-${at}`, `value ${at}`);
    };
    await Promise.all(Array.from({ length: 16 }, (_, first) => work(first)));
  });

  test("the rotation passes Promoting and Waiting although the controller is killed, and then lacks rights", async () => {
    node(1).copyKeys(node(0)).configure(STAGED);
    await node(1).startHost();
    const { commands = [] } = await reach("Promoting");
    assert.match(commands.join("\n"), /name: kek-2, provider: local, use: active/);
    await killController();
    await promote(node(0));
    await until("one node is promoted", async () => (await status()).nodes === "1/2", LIMIT_MS);
    node(1).configure(PROMOTED);
    await node(1).startHost();
    const { waitUntil } = await reach("Waiting");
    assert.notEqual(waitUntil, undefined);
    await killController();
    await node(1).restartApi();
    const { message } = await reach("Blocked", "MigrationOff");
    assert.match(message ?? "", /Migration of secrets is off/);
    assert.equal((await status()).conditions?.find(({ type }) => type === "Settled")?.status, "True");
  });

  test("a missing right is reported with its verb and service account", async () => {
    await patch(resource("encryptionpolicies", "cluster"), {
      spec: { migration: { by: "Operator", workers: 8 } },
    });
    assert.match(
      (await reach("Blocked", "RightMissing")).message ?? "",
      /create serviceaccounts\/token kleidi-migration/,
    );
    const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kleidi-migration";
    await webhook.start();
    await cluster.install("manifests/migration.yaml");
    const { body } = await cluster.api.get(roles);
    const all = JSON.parse(body).rules;
    await patch(roles, { rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["list"] }] });
    await until(
      "the verb patch is named",
      async () => /patch secrets for service account/.test((await status()).message ?? ""),
      LIMIT_MS,
    );
    await patch(roles, { rules: all });
  });

  test("5,000 Secrets are rewritten while clients write, an API server restarts and the controller is killed; a refused Secret blocks by name", async (t) => {
    const began = performance.now();
    await until(
      "a part is rewritten",
      async () => ((await status()).migration?.resources[0]?.rewrite?.changed ?? 0) > 100,
      LIMIT_MS,
    );
    await killController();
    let writing = true;
    const writer = (async () => {
      for (let at = 0; writing; at = (at + 7) % SECRETS) {
        const body = { metadata: { annotations: { at: `${performance.now()}` } } };
        await node(1).api.ask("PATCH", `/api/v1/namespaces/default/secrets/s-${at}`, body, MERGE);
      }
    })();
    // The API server of the controller.
    await node(0).restartApi();
    const { message } = await reach("Blocked", "ObjectRefused");
    t.diagnostic(
      `rewritten in ${Math.round(performance.now() - began)} ms, including a restart of the controller: ${(await status()).progress}`,
    );
    writing = false;
    await writer;
    assert.match(message ?? "", /^secrets default\/s-4999 cannot be rewritten .* not today/);
    assert.ok(webhook.refused > 0);
    await webhook.stop();
    await reach("Verifying");
    await killController();
    await reach("Retirable");
    const [rss, agent] = [memoryOf(controller), memoryOf(agents[0] as Program)];
    await killController();
    t.diagnostic(`proved after ${Math.round(performance.now() - began)} ms`);
    t.diagnostic(`memory: controller ${rss} MiB, agent ${agent} MiB`);
    assert.ok(rss <= 130 && agent <= 90, `${rss} ${agent}`);
  });

  test("no Secret in etcd is left under the old key", async () => {
    const values = await cluster.etcd.values("/registry/secrets/", true);
    assert.equal(values.length, SECRETS);
    const kms = new KmsClient(node(0).fixture.socket);
    const { keyId } = await kms.status();
    kms.close();
    assert.equal(values.filter((value) => !value.includes(keyId)).length, 0);
  });

  test("no value of a Secret is in a log or in a status", async () => {
    const texts = readdirSync(cluster.folder)
      .filter((name) => /^(controller|agent)-.*\.log$/.test(name))
      .map((name) => readFileSync(join(cluster.folder, name), "utf8"));
    assert.ok(texts.length > 5);
    const all = `${texts.join("")}${JSON.stringify(await status())}`;
    const base64 = Buffer.from("value ").toString("base64");
    for (const text of ["value 1", base64]) assert.equal(all.includes(text), false, text);
  });

  test("kubectl get shows the columns", async () => {
    const table = async (plural: string) => {
      const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
      const { body } = await cluster.api.ask("GET", resource(plural), undefined, { accept });
      const { columnDefinitions, rows } = JSON.parse(body) as {
        columnDefinitions: { name: string; priority: number }[];
        rows: { cells: unknown[] }[];
      };
      const shown = columnDefinitions.flatMap(({ name, priority }, at) =>
        priority === 0 ? [[name, at] as const] : [],
      );
      return rows.map(({ cells }) => Object.fromEntries(shown.map(([name, at]) => [name, cells[at]])));
    };
    const [one, two, ...more] = await table("kleidinodes");
    assert.deepEqual(more, []);
    assert.deepEqual(Object.keys(one ?? {}), [
      "Name",
      "Ready",
      "Active",
      "Wall",
      "Version",
      "Reported",
      "Age",
    ]);
    assert.deepEqual([one?.Name, one?.Ready, one?.Active, two?.Name], ["cp-1", "True", "kek-2", "cp-2"]);
    const [policy] = await table("encryptionpolicies");
    const { Age: _, ...columns } = policy ?? {};
    const inSync = columns["In-Sync"];
    assert.deepEqual(columns, {
      Name: "cluster",
      Nodes: 2,
      Reporting: 2,
      "In-Sync": inSync,
      Migration: "Operator",
    });
    const [rotation] = await table("keyrotations");
    assert.deepEqual(Object.keys(rotation ?? {}), ["Name", "Phase", "Nodes", "Objects", "Message", "Age"]);
    assert.deepEqual([rotation?.Phase, rotation?.Nodes], ["Retirable", "0/2"]);
    assert.match(`${rotation?.Objects}`, /^5000 sent, \d+ rewritten, 0 refused$/);
  });

  test("the rotation is Done when the old key is removed from every node", async () => {
    const { commands = [] } = await status();
    assert.match(commands.join("\n"), /only if no backup of etcd needs it/);
    node(1).configure(RETIRED);
    retireByProof(node(0));
    for (const each of cluster.nodes) await each.startHost();
    assert.notEqual((await reach("Done")).completedAt, undefined);
    assert.equal(await node(1).api.readSecret("s-1"), "value 1");
    const { items } = await cluster.get<{ items: { reason: string; type: string }[] }>(
      "/api/v1/namespaces/default/events",
    );
    const reasons = new Set(items.map(({ reason, type }) => `${type} ${reason}`));
    for (const reason of [
      "Warning NodeUnknown",
      "Warning RightMissing",
      "Warning ObjectRefused",
      "Normal Proved",
      "Normal Completed",
    ])
      assert.ok(reasons.has(reason), `${reason} is among ${[...reasons]}`);
    assert.equal((await status()).conditions?.find(({ type }) => type === "Blocked")?.status, "False");
  });

  /** `kleidi key retire` takes the proof of the operator, and waits as it would without one. */
  function retireByProof({ fixture, api }: Node): void {
    const retire = () =>
      JSON.parse(
        fixture.run("key", "retire", "kek-1", "--kubeconfig", api.kubeconfig(), "--json").stdout || "{}",
      );
    const { code, message } = retire();
    assert.equal(code, "key-change-refused");
    assert.match(message, /an API server may still write with "kek-1"$/);
    const marks = [fixture.folder, join(fixture.folder, "keys")].map((each) =>
      join(each, "kleidi.history.mark"),
    );
    ageHistory(join(fixture.folder, "kleidi.history.jsonl"), marks, 86_400_000);
    assert.match(retire().proof, /^the operator proved the rotation \S+$/);
    assert.deepEqual(JSON.parse(fixture.readConfig()).keys, [{ provider: "local", ...RETIRED[0] }]);
  }

  async function promote(each: Node): Promise<void> {
    each.configure(PROMOTED);
    await each.startHost();
    // The API server calls Status once a minute; after a restart it calls at once.
    await each.restartApi();
  }
});

/** The resident memory of the process, in MiB. */
function memoryOf({ process: { pid } }: Program): number {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1024);
}
