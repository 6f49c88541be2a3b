/** kleidí in the API server's own pod: kubeadm applies the patch of `kleidi render kubeadm --form sidecar`, and a real kubelet starts the pod. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { freePort } from "../e2e/servers.ts";
import { builtImages, IMAGE } from "../image/images.ts";
import { requireDebian } from "../support/debian.ts";
import { untilWell } from "../support/until-well.ts";
import { installSidecar, runInPod } from "./kleidi.ts";
import { leftOut } from "./machine.ts";
import { BOOT_MS, TestNode } from "./node.ts";

const skip = leftOut();
if (skip === false) requireDebian(["buildah", "runc", "debootstrap", "systemd"]);

describe("a node whose API server has kleidí as a sidecar", { skip }, () => {
  let node: TestNode;

  before(async () => {
    const { kleidi } = await builtImages();
    node = await TestNode.prepare({ images: [kleidi] });
    installSidecar(node, IMAGE, await freePort());
  });
  after(() => node?.stop());

  const running = (name: string) =>
    node.kubelet.waitFor(`${name} runs`, name, ({ startedAt }) => startedAt !== undefined, BOOT_MS);

  test("the node boots: the API server is ready, with its KMS check, without a restart", async () => {
    node.boot();
    await node.untilReady();
    assert.match((await node.api.get("/readyz?verbose")).body, /^\[\+\]kms-providers ok$/m);
    const pods = await node.kubelet.pods();
    const pod = pods.find(({ name }) => name.startsWith("kube-apiserver"));
    const restarts = pod?.containers.map(({ name, restarts: n }) => [name, n]);
    assert.deepEqual(restarts, [
      ["kleidi", 0],
      ["kube-apiserver", 0],
    ]);
  });

  test("the API server's container is created after kleidí has bound its socket", async () => {
    const { id } = await running("kube-apiserver");
    const { CreatedAt } = JSON.parse(node.containerd.ctr("containers", "info", id));
    const bound = statSync(node.machine.path("/run/kleidi/kms.sock")).mtimeMs;
    assert.ok(Date.parse(CreatedAt) > bound, `${CreatedAt} and ${new Date(bound).toISOString()}`);
  });

  test("etcd stores a Secret under kleidí's prefix, and the wall is in force", async () => {
    await node.api.createSecret("first", "a-value");
    const [stored] = await node.etcd.values("/registry/secrets/default/first");
    assert.ok(stored?.subarray(0, 22).equals(Buffer.from("k8s:enc:kms:v2:kleidi:")), String(stored));
    const live = runInPod(node, await running("kleidi"), "check", "--live");
    assert.match(live, /^ok .*landlock: no other files/m);
  });

  test("a host that is killed in the container is started again by its holder, and the kubelet restarts nothing", async () => {
    const { id, restarts } = await running("kleidi");
    const holder = node.containerd.pidOf(id);
    const server = () => node.machine.proc(holder, `task/${holder}/children`).trim();
    const killed = server();
    node.machine.run("kill", "-KILL", killed);
    const client = new KmsClient(node.machine.path("/run/kleidi/kms.sock"));
    await untilWell(() => client.status());
    client.close();
    assert.notEqual(server(), killed);
    const after = await running("kleidi");
    assert.deepEqual([after.id, after.restarts], [id, restarts]);
    await node.untilReady();
  });

  test("after a crash of kleidí the kubelet restarts kleidí, but not the API server", async () => {
    // Whether the kubelet has seen it ready is a matter of its next probe.
    const apiServer = async () => ({ ...(await running("kube-apiserver")), ready: undefined });
    const [{ id, restarts }, api] = [await running("kleidi"), await apiServer()];
    node.containerd.ctr("tasks", "kill", "--signal", "SIGKILL", id);
    await node.kubelet.waitFor("kleidí runs again", "kleidi", (each) => each.restarts > restarts, BOOT_MS);
    await node.untilReady();
    assert.equal(await node.api.readSecret("first"), "a-value");
    assert.deepEqual(await apiServer(), api);
  });
});
