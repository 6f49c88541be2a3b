/** The static pods of kube-controller-manager and kube-scheduler, for a node that runs Deployments and DaemonSets. */
import { freePort } from "../e2e/servers.ts";
import { PKI, podOf, writePod } from "./control-plane.ts";
import { NODE } from "./kubelet.ts";
import type { TestNode } from "./node.ts";

const KUBECONFIG = "/etc/kubernetes/controllers/kubeconfig";
const PLUGINS = "/opt/cni/bin";
/** The taint and label that kubeadm sets on a control-plane node. */
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

/** The images for these pods; see NodeOptions.images. */
export const CONTROLLERS = ["kube-scheduler", "kube-controller-manager"] as const;

/** Writes both pods and a network configuration, without which the node never becomes ready. Call this before the kubelet starts. */
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
    // The certificate of the API server is self-signed.
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

/** Pods outside the host's network get only a loopback interface: no bridge is created on this machine. */
function writeLoopback({ machine }: TestNode): void {
  machine.run("mkdir", "-p", "/opt/cni");
  machine.run("ln", "-s", "/usr/lib/cni", PLUGINS);
  const conflist = { cniVersion: "0.4.0", name: "loopback", plugins: [{ type: "loopback" }] };
  machine.write("/etc/cni/net.d/10-loopback.conflist", JSON.stringify(conflist));
}

/** Sets the label and taint of a control-plane node. */
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

/** The administrator's kubeconfig, for a program on this machine or on the node. */
export function kubeconfigOf(server: string, token: string): object {
  return {
    apiVersion: "v1",
    kind: "Config",
    // The certificate of the API server is self-signed.
    clusters: [{ name: "node", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "admin", user: { token } }],
    contexts: [{ name: "node", context: { cluster: "node", user: "admin" } }],
    "current-context": "node",
  };
}
