/**
 * A node boots: a real kubelet and containerd start etcd, kleidí and kube-apiserver as static pods, kleidí's as `kleidi render` makes it.
 * The tests build on each other, as an operator's day does.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { builtImages, IMAGE } from "../image/images.ts";
import { requireDebian } from "../support/debian.ts";
import { untilWell } from "../support/until-well.ts";
import { install, POD, render, runInPod } from "./kleidi.ts";
import { whyNoMachine } from "./machine.ts";
import { BOOT_MS, TestNode } from "./node.ts";
import { PREVIOUS, previousImage } from "./variants.ts";

const VALUE = "a-value-that-must-not-lie-in-etcd";
const DIGEST = "kleidi.dev/config-sha256";
const CONFIG = "/etc/kleidi/kleidi.yaml";
const why = whyNoMachine();
if (why !== undefined) throw new Error(`Cannot run this test: ${why}`);
requireDebian(["buildah", "podman", "runc", "debootstrap", "systemd"]);

describe("a node whose static pods are etcd, kleidí and kube-apiserver", () => {
  let node: TestNode;
  let ciphertext: Awaited<ReturnType<KmsClient["encrypt"]>>;

  before(async () => {
    const { kleidi } = await builtImages();
    node = await TestNode.prepare({ images: [kleidi, previousImage()] });
    install(node, PREVIOUS);
  });
  after(() => node?.stop());

  const container = (what: string, isSo: Parameters<typeof node.kubelet.waitFor>[2]) =>
    node.kubelet.waitFor(
      what,
      "kleidi",
      (each, pod) => each.startedAt !== undefined && isSo(each, pod),
      BOOT_MS,
    );

  async function kms<T>(use: (client: KmsClient) => Promise<T>): Promise<T> {
    const client = new KmsClient(node.machine.path("/run/kleidi/kms.sock"));
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }

  /** The key is the same: what the pod encrypted at the start still decrypts. */
  async function assertServes(): Promise<void> {
    const { plaintext } = await untilWell(() => kms((client) => client.decrypt(ciphertext)));
    assert.deepEqual(Buffer.from(plaintext), Buffer.alloc(32, 7));
    await node.untilReady();
    assert.equal(await node.api.readSecret("first"), VALUE);
  }

  test("it boots: the API server is ready, with its KMS check, and nothing was restarted", async () => {
    node.boot();
    await node.untilReady();
    assert.match((await node.api.get("/readyz?verbose")).body, /^\[\+\]kms-providers ok$/m);
    const pods = await node.kubelet.pods();
    const restarts = pods.flatMap(({ containers }) => containers.map(({ name, restarts: n }) => [name, n]));
    assert.deepEqual(Object.fromEntries(restarts), { etcd: 0, kleidi: 0, "kube-apiserver": 0 });
    ciphertext = await kms((client) => client.encrypt({ plaintext: Buffer.alloc(32, 7) }));
  });

  test("a Secret lies in etcd under kleidí's prefix, and its value nowhere", async () => {
    await node.api.createSecret("first", VALUE);
    const [stored] = await node.etcd.values("/registry/secrets/default/first");
    assert.ok(stored?.subarray(0, 22).equals(Buffer.from("k8s:enc:kms:v2:kleidi:")), String(stored));
    const encoded = Buffer.from(VALUE).toString("base64");
    for (const each of await node.etcd.values("/", true))
      assert.ok(!each.includes(VALUE) && !each.includes(encoded));
  });

  test("the wall is in force inside the pod, and the pod has no privilege", async () => {
    const pod = await container("kleidí runs", () => true);
    assert.match(runInPod(node, pod, "check", "--live"), /^ok .*landlock: no other files/m);
    const pid = node.containerd.pidOf(pod.id);
    const status = node.machine.proc(pid, "status");
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];
    assert.deepEqual(
      [field("Uid"), field("CapBnd"), field("NoNewPrivs"), field("Seccomp")],
      ["65532", "0000000000000000", "1", "2"],
    );
  });

  test("after a crash the kubelet starts it again, and the API server is not restarted", async () => {
    const { id, restarts } = await container("kleidí runs", () => true);
    node.containerd.ctr("tasks", "kill", "--signal", "SIGKILL", id);
    await container("kleidí runs again", (each) => each.restarts > restarts);
    await assertServes();
    const api = await node.kubelet.waitFor("the API server is known", "kube-apiserver", () => true);
    assert.equal(api.restarts, 0);
  });

  test("a changed configuration is in force after it is rendered again", async () => {
    const old = await container("kleidí runs", () => true);
    const config = JSON.parse(readFileSync(node.machine.path(CONFIG), "utf8"));
    node.machine.write(CONFIG, JSON.stringify({ ...config, status: { interval: "7s" } }));
    render(node.machine, "static-pod", "--image", PREVIOUS);
    const [, digest] = /config-sha256: "?(\w+)/.exec(readFileSync(node.machine.path(POD), "utf8")) ?? [];
    await container(
      "the pod of the new manifest runs",
      (each, pod) => each.id !== old.id && pod.annotations[DIGEST] === digest,
    );
    await assertServes();
  });

  test("an upgrade from the previous image to this one keeps key and Secrets", async () => {
    const old = await container("the previous image runs", () => true);
    render(node.machine, "static-pod", "--image", IMAGE);
    const { id } = await container("this image runs", (each) => each.imageID !== old.imageID);
    assert.match(runInPod(node, { ...old, id }, "version"), /^commit /m);
    await assertServes();
  });
});
