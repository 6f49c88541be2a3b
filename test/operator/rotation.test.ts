/**
 * A rotation of 5,000 Secrets on a real control plane of two nodes with RBAC, from the first look to the removal of the old key. The tests
 * build on each other, as an operator's days do; the controller is killed at each phase and another one goes on.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import type { EncryptionPolicyStatus } from "../../operator/api/encryption-policy.ts";
import type { KleidiNodeStatus } from "../../operator/api/kleidi-node.ts";
import { until } from "../e2e/servers.ts";
import { ask } from "../support/admin.ts";
import { Fixture } from "../support/fixture.ts";
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
  let [from, to] = ["", ""];
  let controller: Program;
  let agents: Program[] = [];

  before(async () => await cluster.start(OLD));
  after(async () => await cluster.close());

  const node = (at: number) => cluster.nodes[at] as Node;
  const status = () => rotationStatus(cluster);
  const reach = (phase: string, reason?: string) => reachPhase(cluster, () => controller, phase, reason);
  const patch = (path: string, body: object) => cluster.api.ask("PATCH", path, body, MERGE);

  /** Kills the controller where it is; another replica takes over. */
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
        /less than an API server takes to change its key/,
      ],
      ["EncryptionPolicy", "other", policy, /name it cluster/],
    ];
    for (const [kind, name, spec, message] of refused) {
      const answer = await createResource(cluster, kind, name, spec);
      assert.equal(answer.status, 422, answer.body);
      assert.match(JSON.parse(answer.body).message, message);
    }
  });

  test("an agent reports hashes as the API server has them, and only for its own node", async () => {
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
    const token = readFileSync(await cluster.token("kleidi-agent", "cp-1"), "utf8");
    const forged = await cluster.api.ask(
      "PATCH",
      `${resource("kleidinodes", "cp-2")}/status`,
      { status: { activeKey: "x" } },
      { ...MERGE, token },
    );
    assert.equal(forged.status, 403, forged.body);
    assert.match(forged.body, /only report the node that its token is bound to/);
  });

  test("without a policy the rotation is blocked; with one it stages, and names the node and the commands", async () => {
    node(0).configure(STAGED).fixture.keyInit("kek-2");
    await node(0).startHost();
    to = await hashOfKey(cluster, "kek-2");
    controller = await start();
    assert.equal((await createResource(cluster, "KeyRotation", "r", { from, to })).status, 201);
    await reach("Blocked", "PolicyMissing");
    const waits = { pollSeconds: 0, expirySeconds: 0, marginSeconds: 2, shorterThanAPIServer: true };
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

  test("a node whose agent is silent is unknown and blocks, by name", async () => {
    await Fixture.stop((agents[1] as Program).process, "SIGKILL");
    const { message } = await reach("Blocked", "NodeUnknown");
    assert.match(message ?? "", /^Node cp-2 /);
    agents[1] = await cluster.startAgent(node(1));
    await reach("Staging");
    const seen = await cluster.get<{ status: EncryptionPolicyStatus }>(
      resource("encryptionpolicies", "cluster"),
    );
    const drift = seen.status.drift?.map(({ of, node }) => `${of} ${node}`);
    assert.deepEqual(drift, [
      "EncryptionConfiguration cp-1",
      "EncryptionConfiguration cp-2",
      "Configuration cp-1",
      "Configuration cp-2",
    ]);
  });

  test("5,000 Secrets are written with the old key", async () => {
    const work = async (first: number) => {
      for (let at = first; at < SECRETS; at += 16)
        await node(at % 2).api.createSecret(`s-${at}`, `value ${at}`);
    };
    await Promise.all(Array.from({ length: 16 }, (_, first) => work(first)));
  });

  test("staged on every node, it is to be promoted; killed here and there, it waits and then asks for rights", async () => {
    node(1).copyKeys(node(0)).configure(STAGED);
    await node(1).startHost();
    const { commands = [] } = await reach("Promoting");
    assert.match(commands.join("\n"), /name: kek-2, provider: local, use: active/);
    await killController();
    await promote(node(0));
    await until("one node is promoted", async () => (await status()).nodes === "1/2", LIMIT_MS);
    await promote(node(1));
    const { message } = await reach("Blocked", "MigrationOff");
    assert.match(message ?? "", /lets nobody rewrite secrets/);
    assert.equal((await status()).conditions?.find(({ type }) => type === "Settled")?.status, "True");
  });

  test("a missing right is named, verb and service account", async () => {
    await patch(resource("encryptionpolicies", "cluster"), {
      spec: { migration: { by: "Operator", workers: 8 } },
    });
    assert.match(
      (await reach("Blocked", "RightMissing")).message ?? "",
      /create serviceaccounts\/token kleidi-migration/,
    );
    const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kleidi-migration";
    await denyOne(true);
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

  test("5,000 Secrets are rewritten, while others write, an API server restarts and the controller is killed; a refused one blocks by name", async (t) => {
    const began = performance.now();
    await until(
      "a part is rewritten",
      async () => ((await status()).migration?.resources[0]?.rewrite?.changed ?? 0) > 100,
      LIMIT_MS,
    );
    await killController();
    let writing = true;
    const writer = (async () => {
      for (let at = 0; writing; at = (at + 7) % SECRETS)
        await patch(`/api/v1/namespaces/default/secrets/s-${at}`, {
          metadata: { annotations: { at: `${performance.now()}` } },
        });
    })();
    const { message } = await reach("Blocked", "ObjectRefused");
    t.diagnostic(
      `rewritten in ${Math.round(performance.now() - began)} ms, a restart of the controller included: ${(await status()).progress}`,
    );
    writing = false;
    await writer;
    assert.match(message ?? "", /^secrets default\/s-4999 cannot be rewritten .* not today/);
    await node(1).restartApi();
    await denyOne(false);
    await reach("Verifying");
    await killController();
    await reach("Retirable");
    t.diagnostic(`proved after ${Math.round(performance.now() - began)} ms`);
    const [rss, agent] = [memoryOf(controller), memoryOf(agents[0] as Program)];
    t.diagnostic(`memory: controller ${rss} MiB, agent ${agent} MiB`);
    // The agent reports each second here, and each half minute else.
    assert.ok(rss <= 130 && agent <= 110, `${rss} ${agent}`);
  });

  test("no Secret in etcd is left under the old key", async () => {
    const values = await cluster.etcd.values("/registry/secrets/", true);
    assert.equal(values.length, SECRETS);
    const kms = new KmsClient(node(0).fixture.socket);
    const { keyId } = await kms.status();
    kms.close();
    assert.equal(values.filter((value) => !value.includes(keyId)).length, 0);
  });

  test("it is done when a person has removed the old key from every node", async () => {
    const { commands = [] } = await status();
    assert.match(commands.join("\n"), /only if no backup of etcd needs it/);
    for (const each of cluster.nodes) {
      each.configure(RETIRED);
      await each.startHost();
    }
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

  async function promote(each: Node): Promise<void> {
    each.configure(PROMOTED);
    await each.startHost();
    // The API server asks Status once a minute; a restart asks at once.
    await each.restartApi();
  }

  /** An admission policy refuses any change of one Secret: as a webhook does, without a server. */
  async function denyOne(on: boolean): Promise<void> {
    const base = "/apis/admissionregistration.k8s.io/v1";
    if (!on) {
      await cluster.api.ask("DELETE", `${base}/validatingadmissionpolicybindings/deny-one`);
      await cluster.api.ask("DELETE", `${base}/validatingadmissionpolicies/deny-one`);
      return;
    }
    const rule = {
      apiGroups: [""],
      apiVersions: ["v1"],
      operations: ["UPDATE"],
      resources: ["secrets"],
      resourceNames: ["s-4999"],
    };
    await cluster.create(`${base}/validatingadmissionpolicies`, {
      metadata: { name: "deny-one" },
      spec: {
        matchConstraints: { resourceRules: [rule] },
        validations: [{ expression: "false", message: "not today" }],
      },
    });
    await cluster.create(`${base}/validatingadmissionpolicybindings`, {
      metadata: { name: "deny-one" },
      spec: { policyName: "deny-one", validationActions: ["Deny"] },
    });
  }
});

/** MiB of the process that are resident. */
function memoryOf({ process: { pid } }: Program): number {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kib) / 1024);
}
