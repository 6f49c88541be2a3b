/**
 * The chart on a real node, with the commands of docs/helm.md: dry-run, install, upgrade, rollback, uninstall. Each test continues from the
 * state of the previous one.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { KleidiNodeStatus } from "../../operator/api/kleidi-node.ts";
import { until } from "../e2e/servers.ts";
import { NODE } from "../node/kubelet.ts";
import { whyNoMachine } from "../node/machine.ts";
import { requireDebian } from "../support/debian.ts";
import { refusedByServer } from "./apply.ts";
import { CHART, Helm } from "./helm.ts";
import { monitoringCrd } from "./monitoring.ts";
import { type HelmNode, listenAt, startHelmNode } from "./node.ts";
import { helmArguments, pageValues } from "./page.ts";
import { rendered } from "./rendered.ts";
import { ALL_ON, BARE, SOCKET } from "./values.ts";

const NAMESPACE = "kleidi-system";
const REPORT = `/apis/kleidi.dev/v1alpha1/kleidinodes/${NODE}`;
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const LIMIT_MS = 180_000;
const why = whyNoMachine();
if (why !== undefined) throw new Error(`Cannot run this test: ${why}`);
requireDebian(["buildah", "containernetworking-plugins", "debootstrap", "podman", "runc", "systemd"]);

describe("the chart on a node", { timeout: 900_000 }, () => {
  const helm = new Helm();
  let at: HelmNode;
  let values: string;

  before(async () => {
    const { repository, tag } = pageValues.image;
    at = await startHelmNode(`${repository}:${tag}`);
    values = helm.values({ ...pageValues, ...at.values });
  });
  after(async () => {
    await at?.node.stop();
    helm.close();
  });

  const run = (start: string, ...more: string[]) =>
    helm.run([...helmArguments(start, values), ...more], at.kubeconfig);
  const statusOf = async (path: string) => (await at.node.api.get(path)).status;

  async function get<T>(path: string): Promise<T> {
    const { status, body } = await at.node.api.get(path);
    assert.equal(status, 200, `${path}: ${body}`);
    return JSON.parse(body) as T;
  }

  async function report(): Promise<KleidiNodeStatus> {
    return (await get<{ status?: KleidiNodeStatus }>(REPORT)).status ?? {};
  }

  /** @returns true if a service account of the release has this right */
  async function may(
    account: string,
    verb: string,
    resource: string,
    subresource?: string,
  ): Promise<boolean> {
    const resourceAttributes = {
      verb,
      resource,
      subresource,
      namespace: NAMESPACE,
      name: "kleidi-migration",
    };
    const user = `system:serviceaccount:${NAMESPACE}:${account}`;
    const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    const { body } = await at.node.api.ask("POST", path, { spec: { user, resourceAttributes } });
    return JSON.parse(body).status.allowed;
  }

  const containerOf = (name: string) =>
    at.node.kubelet.waitFor(`${name} is ready`, name, ({ ready }) => ready, LIMIT_MS);

  test("a dry run on the server accepts every object, and leaves nothing", async () => {
    const args = helmArguments("install", values).filter((word) => word !== "--wait");
    helm.run([...args, "--dry-run=server"], at.kubeconfig);
    assert.equal(await statusOf(`/api/v1/namespaces/${NAMESPACE}`), 404);
  });

  test("install waits until operator and agent are ready, and the agent reports the node", async () => {
    const said = run("install");
    assert.match(said, /^STATUS: deployed$/m);
    assert.match(said, /kleidi render encryption-config --stage stage/);
    for (const name of ["operator", "agent"]) assert.equal((await containerOf(name)).restarts, 0);
    const { host, apiServer, activeKey } = await report();
    assert.deepEqual([host?.ready, apiServer?.reachable, activeKey], [true, true, "kek"]);
  });

  test("the API server accepts every object for every switch, with the real CRDs of the Prometheus operator", async () => {
    const crds = ["servicemonitors", "prometheusrules"];
    for (const plural of crds)
      assert.equal((await at.node.api.ask("POST", CRDS, monitoringCrd(plural))).status, 201);
    await until("its resources are served", async () => {
      const { body } = await at.node.api.get("/apis/monitoring.coreos.com/v1");
      return crds.every((each) => body.includes(`"${each}"`));
    });
    for (const each of [{}, ALL_ON, SOCKET, BARE])
      assert.deepEqual(await refusedByServer(at.node.api, rendered(helm, each, NAMESPACE)), []);
  });

  test("neither pod has a privilege or more memory than its limit", async () => {
    const { machine, containerd } = at.node;
    for (const [name, uid, limit] of [
      ["operator", "65532", 130],
      ["agent", "65531", 110],
    ] as const) {
      const status = machine.proc(containerd.pidOf((await containerOf(name)).id), "status");
      const field = (key: string) => new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(status)?.[1];
      const fields = ["Uid", "CapBnd", "NoNewPrivs", "Seccomp"].map(field);
      assert.deepEqual(fields, [uid, "0000000000000000", "1", "2"]);
      const mebibytes = Number(field("VmHWM")) / 1024;
      console.log(`${name}: at most ${Math.round(mebibytes)} MiB resident`);
      assert.ok(mebibytes < limit, `${name}: ${mebibytes} MiB`);
    }
  });

  test("no account may read or write a Secret", async () => {
    for (const account of ["kleidi-operator", "kleidi-agent", "kleidi-migration", "default"])
      for (const verb of ["get", "list", "watch", "patch", "update", "create", "delete"])
        assert.equal(await may(account, verb, "secrets"), false, `${account} ${verb}`);
    assert.equal(await may("kleidi-operator", "create", "serviceaccounts", "token"), false);
  });

  test("a token of the agent's account without a node cannot report", async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}/serviceaccounts/kleidi-agent/token`;
    const { body } = await at.node.api.ask("POST", path, { spec: { expirationSeconds: 600 } });
    const { token } = JSON.parse(body).status;
    const type = "application/merge-patch+json";
    const answer = await at.node.api.ask("PATCH", `${REPORT}/status`, { status: {} }, { type, token });
    assert.equal(answer.status, 403);
    assert.match(answer.body, /an agent may only report the node that its token is bound to/);
  });

  test("an upgrade grants the right to rewrite Secrets to one account only", async () => {
    run("upgrade");
    assert.equal(await may("kleidi-operator", "create", "serviceaccounts", "token"), true);
    assert.equal(await may("kleidi-migration", "patch", "secrets"), true);
    assert.equal(await may("kleidi-migration", "get", "secrets"), false);
    assert.equal(await may("kleidi-operator", "list", "secrets"), false);
  });

  test("a rollback revokes the right, and the agent continues to report", async () => {
    run("rollback");
    assert.equal(await may("kleidi-migration", "patch", "secrets"), false);
    assert.equal(await statusOf(`/api/v1/namespaces/${NAMESPACE}/serviceaccounts/kleidi-migration`), 404);
    const { observedAt } = await report();
    await until("a new report exists", async () => (await report()).observedAt !== observedAt, LIMIT_MS);
  });

  test("a release without the CRDs keeps them and the report", async () => {
    helm.run(
      [
        "upgrade",
        "kleidi",
        CHART,
        "--namespace",
        NAMESPACE,
        "--values",
        values,
        "--set",
        "crds.enabled=false",
      ],
      at.kubeconfig,
    );
    assert.equal(await statusOf(`${CRDS}/kleidinodes.kleidi.dev`), 200);
    assert.equal((await report()).activeKey, "kek");
    helm.run(["rollback", "kleidi", "1", "--namespace", NAMESPACE], at.kubeconfig);
  });

  test("an agent reports through a socket, and does not see the socket of the KMS", async () => {
    const socket = "/run/kleidi-admin/admin.sock";
    const socketGroup = 4711;
    const before = (await report()).host?.configurationHash;
    listenAt(at.node, { listen: `unix:${socket}`, mode: "0660", group: socketGroup });
    const file = helm.values({ agent: { admin: { address: "", socket, socketGroup } } });
    run("upgrade", "--values", file);
    await until(
      "the new configuration is reported",
      async () => {
        const { host } = await report();
        return host?.ready === true && host.configurationHash !== before;
      },
      LIMIT_MS,
    );
    const script = `console.log(require("node:fs").existsSync("/run/kleidi"))`;
    const { id } = await containerOf("agent");
    assert.equal(at.node.containerd.exec(id, "/usr/local/bin/node", "-e", script), "false\n");
  });

  test("uninstall keeps the CRDs with their objects, and prints that it does", async () => {
    const uid = async () => (await get<{ metadata: { uid: string } }>(REPORT)).metadata.uid;
    const before = await uid();
    await until("the report names the key", async () => (await report()).activeKey === "kek", LIMIT_MS);
    const said = run("uninstall");
    assert.match(said, /kept due to the resource policy/);
    for (const name of ["kleidinodes", "encryptionpolicies", "keyrotations"]) {
      assert.match(said, new RegExp(`${name}\\.kleidi\\.dev`));
      assert.equal(await statusOf(`${CRDS}/${name}.kleidi.dev`), 200);
    }
    // The same object, with a report: the agent may have sent another one meanwhile.
    assert.equal(await uid(), before);
    assert.notEqual((await report()).observedAt, undefined);
    for (const path of [
      `/apis/apps/v1/namespaces/${NAMESPACE}/deployments/kleidi-operator`,
      `/apis/apps/v1/namespaces/${NAMESPACE}/daemonsets/kleidi-agent`,
      "/apis/rbac.authorization.k8s.io/v1/clusterroles/kleidi-operator",
      "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/kleidi-agent",
    ])
      assert.equal(await statusOf(path), 404, path);
  });

  test("a second install adopts the kept CRDs", () => {
    const args = helmArguments("install", values).filter((word) => word !== "--wait");
    helm.run([...args, "--dry-run=server"], at.kubeconfig);
  });
});
