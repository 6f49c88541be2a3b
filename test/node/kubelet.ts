/** Runs a kubelet on a test machine. It starts static pods and registers the node with their API server. */
import { Hopeless, until } from "../e2e/servers.ts";
import { CRI_SOCKET } from "./containerd.ts";
import type { Machine } from "./machine.ts";

export const NODE = "kleidi-node";
export const MANIFESTS = "/etc/kubernetes/manifests";
const KUBECONFIG = "/etc/kubernetes/kubelet.conf";
const CONFIG = "/var/lib/kubelet/config.yaml";

export interface KubeletOptions {
  readonly apiPort: number;
  /** A token of system:node:NODE. */
  readonly token: string;
  readonly port: number;
  readonly readOnlyPort: number;
}

export interface ContainerStatus {
  readonly name: string;
  /** The container's id in containerd. */
  readonly id: string;
  readonly imageID: string;
  readonly ready: boolean;
  readonly restarts: number;
  /** Milliseconds since 1970; undefined while the container does not run. */
  readonly startedAt: number | undefined;
}

export interface PodStatus {
  readonly name: string;
  readonly uid: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly containers: readonly ContainerStatus[];
}

export class Kubelet {
  readonly #machine: Machine;
  readonly #options: KubeletOptions;

  constructor(machine: Machine, options: KubeletOptions) {
    this.#machine = machine;
    this.#options = options;
    machine.write(CONFIG, JSON.stringify(configOf(machine.cgroup, options)));
    machine.write(KUBECONFIG, JSON.stringify(kubeconfigOf(options)), 0o600);
  }

  /** Starts the kubelet without waiting until it is ready. */
  start(): void {
    const flags = [
      `--config=${CONFIG}`,
      `--kubeconfig=${KUBECONFIG}`,
      `--hostname-override=${NODE}`,
      "--v=2",
    ];
    const process = this.#machine.spawn(["/opt/node-bin/kubelet", ...flags]);
    // Only a running test reads the log: the folder is removed with the machine.
    process.once("exit", (code, signal) => {
      this.#end = code ?? signal ?? undefined;
    });
  }
  #end: number | string | undefined;

  /** @throws Hopeless if the kubelet has exited */
  assertRunning(): void {
    if (this.#end === undefined) return;
    const lines = this.#machine.log("kubelet").split("\n");
    const errors = lines.filter((line) => line.startsWith("E")).slice(-10);
    throw new Hopeless([`the kubelet ended with ${this.#end}:`, ...errors].join("\n"));
  }

  /** The pods as the kubelet itself reports them, without the API server. */
  async pods(): Promise<PodStatus[]> {
    this.assertRunning();
    const response = await fetch(`http://127.0.0.1:${this.#options.readOnlyPort}/pods`);
    const { items } = (await response.json()) as { items: RawPod[] | null };
    return (items ?? []).map(podOf);
  }

  /** Waits for a container. @param isSo the condition on the container and its pod */
  async waitFor(
    what: string,
    container: string,
    isSo: (container: ContainerStatus, pod: PodStatus) => boolean,
    limitMs?: number,
  ): Promise<ContainerStatus> {
    let found: ContainerStatus | undefined;
    await until(
      what,
      async () => {
        const all = (await this.pods()).flatMap((pod) => pod.containers.map((each) => [each, pod] as const));
        found = all.find(([each, pod]) => each.name === container && isSo(each, pod))?.[0];
        return found !== undefined;
      },
      limitMs,
    );
    if (found === undefined) throw new Error(`the container ${container} does not exist`);
    return found;
  }
}

interface RawStatus {
  name: string;
  containerID?: string;
  imageID: string;
  ready: boolean;
  restartCount: number;
  state: { running?: { startedAt: string } };
}
interface RawPod {
  metadata: { name: string; uid: string; annotations?: Record<string, string> };
  status: { containerStatuses?: RawStatus[]; initContainerStatuses?: RawStatus[] };
}

function podOf({ metadata, status }: RawPod): PodStatus {
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const { name, uid, annotations = {} } = metadata;
  return { name, uid, annotations, containers: all.map(containerOf) };
}

function containerOf({
  name,
  containerID = "",
  imageID,
  ready,
  restartCount,
  state,
}: RawStatus): ContainerStatus {
  const startedAt = state.running === undefined ? undefined : Date.parse(state.running.startedAt);
  return {
    name,
    id: containerID.replace(/^containerd:\/\//, ""),
    imageID,
    ready,
    restarts: restartCount,
    startedAt,
  };
}

function configOf(cgroup: string, { port, readOnlyPort }: KubeletOptions): object {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    containerRuntimeEndpoint: `unix://${CRI_SOCKET}`,
    staticPodPath: MANIFESTS,
    cgroupDriver: "cgroupfs",
    // Two kubelets with one root folder stop each other's pods.
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    enforceNodeAllocatable: [],
    makeIPTablesUtilChains: false,
    address: "127.0.0.1",
    port,
    readOnlyPort,
    healthzPort: 0,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    // A full disk of this machine must not remove pods or images.
    evictionHard: { "memory.available": "1Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi" },
    imageGCHighThresholdPercent: 100,
  };
}

function kubeconfigOf({ apiPort, token }: KubeletOptions): object {
  // The certificate of the API server is self-signed.
  const cluster = { server: `https://127.0.0.1:${apiPort}`, "insecure-skip-tls-verify": true };
  return {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "node", cluster }],
    users: [{ name: "node", user: { token } }],
    contexts: [{ name: "node", context: { cluster: "node", user: "node" } }],
    "current-context": "node",
  };
}
