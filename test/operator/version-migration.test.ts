/** A rotation in which Kubernetes' own controller of StorageVersionMigrations rewrites the objects. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { KmsClient } from "../../host/grpc/client.ts";
import { until } from "../e2e/servers.ts";
import { Fixture } from "../support/fixture.ts";
import { AuditLog, nameOf } from "./audit-log.ts";
import { Cluster, type Node, type Program } from "./cluster.ts";
import { MIGRATION_FLAGS, startControllerManager } from "./controller-manager.ts";
import { createResource, hashOfKey, MERGE, reachPhase, rotationStatus } from "./resources.ts";

const SECRETS = 100;
const MIGRATIONS = "/apis/storagemigration.k8s.io/v1beta1/storageversionmigrations";
const S0 = "/api/v1/namespaces/default/secrets/s-0";
const WAITS = { pollSeconds: 0, expirySeconds: 0, marginSeconds: 1, shorterThanAPIServer: true };

describe("StorageVersionMigration", { timeout: 600_000 }, () => {
  const cluster = new Cluster();
  const audit = new AuditLog(cluster.folder);
  let controller: Program;
  let agent: Program;
  let manager: ChildProcess | undefined;
  const reach = (phase: string, reason?: string) => reachPhase(cluster, () => controller, phase, reason);

  before(async () => {
    const keys = [
      { name: "kek-1", use: "active" },
      { name: "kek-2", use: "decrypt" },
    ] as const;
    await cluster.start(keys, { nodes: 1, flags: [...MIGRATION_FLAGS, ...audit.flags] });
    for (let at = 0; at < SECRETS; at++) await cluster.api.createSecret(`s-${at}`, `value ${at}`);
  });
  after(async () => {
    if (manager !== undefined) await Fixture.stop(manager, "SIGKILL");
    await cluster.close();
  });

  /** The controller of Kubernetes waits until its cache is newer than the migration. Without writes that takes a minute. */
  async function whileWriting<T>(work: () => Promise<T>): Promise<T> {
    let writing = true;
    const write = (at: number) =>
      cluster.api.ask("PATCH", S0, { metadata: { annotations: { at: `${at}` } } }, MERGE);
    const writer = (async () => {
      for (let at = 0; writing; at++) await write(at).then(() => sleep(200));
    })();
    try {
      return await work();
    } finally {
      writing = false;
      await writer;
    }
  }

  test("without the rights on StorageVersionMigrations, the missing verbs are named", async () => {
    const [node] = cluster.nodes as [Node];
    agent = await cluster.startAgent(node);
    const from = await hashOfKey(cluster, "kek-1");
    const to = await hashOfKey(cluster, "kek-2");
    node.configure([
      { name: "kek-2", use: "active" },
      { name: "kek-1", use: "decrypt" },
    ]);
    await node.startHost();
    await node.restartApi();
    await createResource(cluster, "EncryptionPolicy", "cluster", {
      resources: ["secrets"],
      minimumNodes: 1,
      migration: { by: "StorageVersionMigration" },
      waits: WAITS,
    });
    await createResource(cluster, "KeyRotation", "r", { from, to });
    await cluster.install("manifests/migration.yaml");
    const roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kleidi-migration";
    const { rules } = await cluster.get<{ rules: object[] }>(roles);
    await cluster.api.ask("PATCH", roles, { rules: [] }, MERGE);
    controller = await cluster.startController("one", ["--migration-service-account", "kleidi-migration"]);
    const { message } = await reach("Blocked", "RightMissing");
    for (const verb of ["get", "create", "delete"])
      assert.match(
        message ?? "",
        new RegExp(`${verb} storageversionmigrations\\.storagemigration\\.k8s\\.io for`),
      );
    await cluster.api.ask("PATCH", roles, { rules }, MERGE);
  });

  test("a failed migration blocks the rotation with its controller's message, and is recreated", async () => {
    const policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    const bindings = `${policies.slice(0, -"policies".length)}policybindings`;
    const names = { apiGroups: [""], apiVersions: ["v1"], operations: ["UPDATE"], resources: ["secrets"] };
    await cluster.create(policies, {
      metadata: { name: "deny" },
      spec: {
        matchConstraints: { resourceRules: [{ ...names, resourceNames: ["s-7"] }] },
        validations: [{ expression: "false", message: "not today" }],
      },
    });
    await cluster.create(bindings, {
      metadata: { name: "deny" },
      spec: { policyName: "deny", validationActions: ["Deny"] },
    });
    manager = startControllerManager(cluster);
    const { message } = await whileWriting(() => reach("Blocked", "ObjectRefused"));
    assert.match(message ?? "", /^StorageVersionMigration kleidi\.r\.rewrite\.secrets .*not today/);
    await cluster.api.ask("DELETE", `${bindings}/deny`);
    await cluster.api.ask("DELETE", `${policies}/deny`);
  });

  test("both passes succeed, and no Secret in etcd is left under the old key", async (t) => {
    const began = performance.now();
    await whileWriting(() => reach("Retirable"));
    t.diagnostic(
      `${SECRETS} Secrets were rewritten and proved in ${Math.round(performance.now() - began)} ms`,
    );
    const { items } = await cluster.get<{
      items: { metadata: { name: string }; status: { conditions: object[] } }[];
    }>(MIGRATIONS);
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ["kleidi.r.proof.secrets", "kleidi.r.rewrite.secrets"],
    );
    const [node] = cluster.nodes as [Node];
    const kms = new KmsClient(node.fixture.socket);
    const { keyId } = await kms.status();
    kms.close();
    const values = await cluster.etcd.values("/registry/secrets/", true);
    assert.equal(values.length, SECRETS);
    assert.equal(values.filter((value) => !value.includes(keyId)).length, 0);
    assert.equal((await rotationStatus(cluster)).migration?.resources[0]?.proof?.refused, 0);
  });

  test("no account of kleidi requested a Secret", () => {
    for (const account of ["kleidi-operator", "kleidi-agent", "kleidi-migration"]) {
      const asked = audit.requestsOf(account);
      assert.ok(asked.length > 0, account);
      assert.deepEqual(asked.filter(({ objectRef }) => objectRef?.resource === "secrets").map(nameOf), []);
    }
  });

  test("an idle controller and an idle agent each send at most 10 requests a minute", async (t) => {
    for (const { process } of [controller, agent]) await Fixture.stop(process);
    const asked = (account: string) => audit.requestsOf(account).map(nameOf);
    const before = { operator: asked("kleidi-operator").length, agent: asked("kleidi-agent").length };
    // The defaults of 60, 45 and 30 seconds, divided by 15: a minute is 4 s.
    controller = await cluster.startController("idle", ["--interval", "1", "--idle-interval", "4"]);
    agent = await cluster.startAgent(cluster.nodes[0] as Node, ["--interval", "2"]);
    // A minute of the controller begins with a reconcile; a minute of the agent has two reports.
    const ofOperator = () =>
      minutes(asked("kleidi-operator").slice(before.operator), "list kleidinodes", 1).slice(1);
    const ofAgent = () => minutes(asked("kleidi-agent").slice(before.agent), "patch kleidinodes/status", 2);
    await until("three minutes have passed", async () => ofOperator().length >= 3 && ofAgent().length >= 3);
    const [ofController, ofReports] = [median(ofOperator()), median(ofAgent())];
    t.diagnostic(`requests a minute: controller ${ofController}, agent ${ofReports}`);
    assert.ok(ofController <= 10 && ofReports <= 10);
    const kinds = ["list encryptionpolicies", "list keyrotations", "list kleidinodes", "update leases"];
    assert.deepEqual([...new Set(ofOperator().flat())].sort(), kinds);
    assert.deepEqual([...new Set(ofAgent().flat())].sort(), ["get /metrics", "patch kleidinodes/status"]);
  });
});

/** Splits the requests before every n-th request that is `first`. */
function minutes(asked: readonly string[], first: string, every: number): string[][] {
  const all = asked.flatMap((one, at) => (one === first ? [at] : []));
  const starts = all.filter((_, at) => at % every === 0);
  return starts.slice(1).map((end, at) => asked.slice(starts[at], end));
}

/** The median length: on a machine that is briefly busy, more renewals happen between two reconciles. */
function median(some: readonly string[][]): number {
  return some.map(({ length }) => length).sort((a, b) => a - b)[Math.floor(some.length / 2)] ?? Number.NaN;
}
