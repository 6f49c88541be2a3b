/**
 * A control-plane node: a kubelet and containerd on a test machine (machine.ts), whose static pods are etcd, kube-apiserver and those that a
 * test adds. It has the paths of an ordinary node; `machine.path` converts them to paths on this machine.
 *
 *     const node = await TestNode.prepare({ images: [(await builtImages()).kleidi] });
 *     node.machine.write("/etc/kubernetes/enc/enc.yaml", …);
 *     node.boot();
 *     await node.untilReady();
 *     await node.stop();
 */
import { ApiClient, EtcdClient, freePort, until } from "../e2e/servers.ts";
import { Containerd } from "./containerd.ts";
import { type Ports, writeApiServer, writeCredentials, writeEtcd } from "./control-plane.ts";
import { builtImage } from "./images.ts";
import { Kubelet } from "./kubelet.ts";
import { Machine } from "./machine.ts";

/** Generous: other tests keep the processors busy. */
export const BOOT_MS = 180_000;

export interface NodeOptions {
  /** OCI archives, in addition to those of the control plane: a booting node pulls no images. */
  readonly images: readonly string[];
}

export class TestNode {
  readonly machine: Machine;
  readonly containerd: Containerd;
  readonly kubelet: Kubelet;
  /** A client with the rights of system:masters. */
  readonly api = new ApiClient();
  readonly etcd = new EtcdClient();
  readonly ports: Ports;

  private constructor(machine: Machine, ports: Ports, kubelet: { port: number; readOnlyPort: number }) {
    this.machine = machine;
    this.ports = ports;
    this.containerd = new Containerd(machine);
    this.api.port = ports.api;
    this.etcd.url = `http://127.0.0.1:${ports.etcd}`;
    const token = new ApiClient().token;
    this.kubelet = new Kubelet(machine, { apiPort: ports.api, token, ...kubelet });
    writeCredentials(machine, { admin: this.api.token, node: token });
    writeEtcd(machine, ports);
    writeApiServer(machine, ports);
  }

  /** Prepares a machine with containerd, the images, and the manifests of etcd and kube-apiserver, without a kubelet. */
  static async prepare({ images }: NodeOptions): Promise<TestNode> {
    const ports = { etcd: await freePort(), etcdPeer: await freePort(), api: await freePort() };
    const kubelet = { port: await freePort(), readOnlyPort: await freePort() };
    const machine = await Machine.start();
    try {
      const node = new TestNode(machine, ports, kubelet);
      await node.containerd.start();
      for (const program of ["pause", "etcd", "kube-apiserver"] as const)
        node.containerd.import(builtImage(program));
      for (const image of images) node.containerd.import(image);
      return node;
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  /** Starts the kubelet, and with it every static pod. */
  boot(): void {
    this.kubelet.start();
  }

  /** Waits until the API server reports that it is ready. */
  async untilReady(): Promise<void> {
    const isReady = async () => {
      this.kubelet.assertRunning();
      return (await this.api.get("/readyz")).status === 200;
    };
    await until("the API server is ready", isReady, BOOT_MS);
  }

  async stop(): Promise<void> {
    await this.machine.stop();
  }
}
