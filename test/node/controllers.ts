/** The static pods of kube-controller-manager and kube-scheduler, for a node that runs Deployments and DaemonSets. */
import { freePort } from "../e2e/servers.ts";
import { PKI, podOf, writePod } from "./control-plane.ts";
import { NODE } from "./kubelet.ts";
import type { TestNode } from "./node.ts";

const KUBECONFIG = "/etc/kubernetes/controllers/kubeconfig";
const PLUGINS = "/opt/cni/bin";
/** Taint and label as kubeadm gives them to a node of the control plane. */
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

/** Images of the node for these pods; NodeOptions.images. */
export const CONTROLLERS = ["kube-scheduler", "kube-controller-manager"] as const;

/** Writes both pods, and a network configuration: without one the node is never ready. Call it before the kubelet starts. */
export async function writeControllers(node: TestNode): Promise<void> {
  const { machine, api } = node;
  machine.write(KUBECONFIG, JSON.stringify(kubeconfigOf(api.url, api.token)), 0o600);
  const common = [
    `--kubeconfig=${KUBECONFIG}`,
    "--leader-elect=false",
    "--bind-address=127.0.0.1",
    "--authentication-skip-lookup=true",
  ];
  const folders = ["/etc/kubernetes/controllers", PKI, "/run/kubernetes"];
  const signing = [
    `--service-account-private-key-file=${PKI}/sa.key`,
    // The API server made its certificate itself.
    "--root-ca-file=/run/kubernetes/apiserver.crt",
  ];
  for (const [name, args] of [
    ["kube-scheduler", []],
    ["kube-controller-manager", signing],
  ] as const) {
    const port = await freePort();
    const probe = { path: "/healthz", port, scheme: "HTTPS" };
    writePod(machine, podOf(name, [...common, `--secure-port=${port}`, ...args], folders, probe));
  }
  writeLoopback(node);
}

/** Pods that are not on the host's network get a loopback and nothing else: no bridge is made on this machine. */
function writeLoopback({ machine }: TestNode): void {
  machine.run("mkdir", "-p", "/opt/cni");
  machine.run("ln", "-s", "/usr/lib/cni", PLUGINS);
  const conflist = { cniVersion: "0.4.0", name: "loopback", plugins: [{ type: "loopback" }] };
  machine.write("/etc/cni/net.d/10-loopback.conflist", JSON.stringify(conflist));
}

/** Label and taint of a node of the control plane. */
export async function markControlPlane({ api }: TestNode): Promise<void> {
  const body = {
    metadata: { labels: { [CONTROL_PLANE]: "" } },
    spec: { taints: [{ key: CONTROL_PLANE, effect: "NoSchedule" }] },
  };
  const { status, body: said } = await api.ask("PATCH", `/api/v1/nodes/${NODE}`, body, {
    type: "application/strategic-merge-patch+json",
  });
  if (status !== 200) throw new Error(`marking the node gave ${status}: ${said}`);
}

/** A kubeconfig of the administrator for a program on this machine, or on the node. */
export function kubeconfigOf(server: string, token: string): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    // The API server made its certificate itself.
    clusters: [{ name: "node", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "node", context: { cluster: "node", user: "admin" } }],
    "current-context": "node",
  };
}
