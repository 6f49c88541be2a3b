/**
 * A node boots: a real kubelet and containerd start etcd, kleidí and kube-apiserver as static pods; `kleidi render` makes kleidí's. Each test
 * continues from the state of the previous one.
 */
import assert from "node:assert/strict";
import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { builtDist } from "../../.ci/dist/built.ts";
import { KmsClient } from "../../host/grpc/client.ts";
import { until } from "../e2e/servers.ts";
import { builtImages, IMAGE, PROVIDER_IMAGE } from "../image/images.ts";
import { requireDebian } from "../support/debian.ts";
import { root } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";
import { install, POD, render, runInPod } from "./kleidi.ts";
import { leftOut } from "./machine.ts";
import { BOOT_MS, TestNode } from "./node.ts";
import { PREVIOUS, PREVIOUS_VERSION, previousImage } from "./variants.ts";

const VALUE = "a-value-that-must-not-lie-in-etcd";
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const DIGEST = "kleidi.dev/config-sha256";
const CONFIG = "/etc/kleidi/kleidi.yaml";
const skip = leftOut();
if (skip === false) requireDebian(["buildah", "runc", "debootstrap", "systemd"]);

describe("a node whose static pods are etcd, kleidí and kube-apiserver", { skip }, () => {
  let node: TestNode;
  let ciphertext: Awaited<ReturnType<KmsClient["encrypt"]>>;

  before(async () => {
    const { kleidi, provider } = await builtImages();
    const previous = previousImage(await builtDist());
    node = await TestNode.prepare({ images: [kleidi, provider, previous] });
    install(node, PREVIOUS);
    renameSync(node.machine.path(POD), held());
  });
  after(() => node?.stop());

  /** The path of kleidí's manifest, outside the kubelet's folder. */
  const held = () => node.machine.path("/etc/kubernetes/held.yaml");

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

  /** Asserts that the key is the same: the pod decrypts the ciphertext from the first start. */
  async function assertServes(): Promise<void> {
    const { plaintext } = await untilWell(() => kms((client) => client.decrypt(ciphertext)));
    assert.deepEqual(Buffer.from(plaintext), Buffer.alloc(32, 7));
    await node.untilReady();
    assert.equal(await node.api.readSecret("first"), VALUE);
  }

  test("without kleidí the API server runs and is not ready: its KMS check fails", async () => {
    node.boot();
    await until(
      "the API server answers",
      async () => {
        const { status, body } = await node.api.get("/readyz?verbose");
        return status === 500 && /^\[-\]kms-providers failed/m.test(body);
      },
      BOOT_MS,
    );
  });

  test("once kleidí serves, the API server is ready without a restart", async () => {
    renameSync(held(), node.machine.path(POD));
    await node.untilReady();
    assert.match((await node.api.get("/readyz?verbose")).body, /^\[\+\]kms-providers ok$/m);
    const pods = await node.kubelet.pods();
    const restarts = pods.flatMap(({ containers }) => containers.map(({ name, restarts: n }) => [name, n]));
    assert.deepEqual(Object.fromEntries(restarts), { etcd: 0, kleidi: 0, "kube-apiserver": 0 });
    ciphertext = await kms((client) => client.encrypt({ plaintext: Buffer.alloc(32, 7) }));
  });

  test("etcd stores a Secret under kleidí's prefix, and its value nowhere in the clear", async () => {
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

  test("after a crash the kubelet restarts kleidí, and does not restart the API server", async () => {
    const { id, restarts } = await container("kleidí runs", () => true);
    node.containerd.ctr("tasks", "kill", "--signal", "SIGKILL", id);
    await container("kleidí runs again", (each) => each.restarts > restarts);
    await assertServes();
    const api = await node.kubelet.waitFor("the API server's container exists", "kube-apiserver", () => true);
    assert.equal(api.restarts, 0);
  });

  test("a changed configuration takes effect after it is rendered again", async () => {
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

  test("an upgrade from the previous image to this one keeps the key and the Secrets", async () => {
    const old = await container("the previous image runs", () => true);
    assert.ok(runInPod(node, old, "--version").startsWith(`${PREVIOUS_VERSION}\n`));
    render(node.machine, "static-pod", "--image", IMAGE);
    const current = await container("this image runs", (each) => each.imageID !== old.imageID);
    assert.ok(runInPod(node, current, "--version").startsWith(`${version}\n`));
    await assertServes();
  });

  test("with the module from an image volume, the API server reads the same Secrets", async () => {
    const old = await container("kleidí runs", () => true);
    const config = JSON.parse(readFileSync(node.machine.path(CONFIG), "utf8"));
    config.providers.local.module = "/opt/kleidi/modules/local.wasm";
    node.machine.write(CONFIG, JSON.stringify(config));
    render(node.machine, "static-pod", "--image", IMAGE, "--module-image", `local=${PROVIDER_IMAGE}`);
    const current = await container("the pod with the volume runs", (each) => each.id !== old.id);
    await assertServes();
    assert.match(runInPod(node, current, "check", "--live"), /^ok .*provider local: .* as pinned/m);
  });
});
