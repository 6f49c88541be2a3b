/** kubeadm on a node: its ClusterConfiguration with what `kleidi render kubeadm` adds, and the API server's pod that it writes with the patch. */
import { readFileSync } from "node:fs";
import { parseAllDocuments, stringify } from "yaml";
import { nameOf } from "./images.ts";
import { NODE } from "./kubelet.ts";
import type { TestNode } from "./node.ts";

/** What test/node/go/build.sh builds. */
export const KUBEADM = "/opt/node-bin/kubeadm";
/** The file that kleidi render kubeadm writes. */
export const RENDERED = "/etc/kubernetes/kleidi/kubeadm.yaml";
const MERGED = "/etc/kubernetes/kubeadm.yaml";
/** Beside the rendered patch, which kubeadm applies before it. */
const OWN_PATCH = "/etc/kubernetes/patches/kube-apiserver1+strategic.yaml";
/** For documents (RFC 5737): kubeadm takes no address of loopback, and nothing here uses it. */
const NO_ADDRESS = "192.0.2.1";

interface Cluster {
  apiServer: { extraArgs: { name: string; value: string }[] };
}

/** Has kubeadm write the certificates and the manifest of kube-apiserver, as it does on a node that it initialises. */
export function writeKubeadmApiServer(node: TestNode): void {
  const { machine, containerd, ports } = node;
  const version = machine.run(KUBEADM, "version", "--output", "short").trim();
  containerd.ctr("images", "tag", "--force", nameOf("kube-apiserver"), `localhost/kube-apiserver:${version}`);
  const rendered = readFileSync(machine.path(RENDERED), "utf8");
  const [cluster, init] = parseAllDocuments(rendered).map((document) => document.toJS());
  machine.write(
    MERGED,
    [clusterOf(cluster, version, ports), initOf(init, ports)].map((each) => stringify(each)).join("---\n"),
  );
  machine.write(OWN_PATCH, JSON.stringify(PROBES_ON_LOOPBACK));
  for (const phase of [
    ["certs", "all"],
    ["control-plane", "apiserver"],
  ])
    machine.run(KUBEADM, "init", "phase", ...phase, "--config", MERGED);
}

function clusterOf(rendered: Cluster, kubernetesVersion: string, { etcd }: TestNode["ports"]): object {
  const own = {
    "bind-address": "127.0.0.1",
    "advertise-address": "127.0.0.1",
    "endpoint-reconciler-type": "none",
    "token-auth-file": "/etc/kubernetes/pki/tokens.csv",
  };
  const extraArgs = [
    ...Object.entries(own).map(([name, value]) => ({ name, value })),
    ...rendered.apiServer.extraArgs,
  ];
  return {
    ...rendered,
    kubernetesVersion,
    imageRepository: "localhost",
    encryptionAlgorithm: "ECDSA-P256",
    etcd: { external: { endpoints: [`http://127.0.0.1:${etcd}`] } },
    apiServer: { ...rendered.apiServer, extraArgs },
  };
}

function initOf(rendered: object, { api }: TestNode["ports"]): object {
  return {
    ...rendered,
    localAPIEndpoint: { advertiseAddress: NO_ADDRESS, bindPort: api },
    // Else kubeadm looks for sockets of runtimes.
    nodeRegistration: { name: NODE, criSocket: "unix:///run/containerd/containerd.sock" },
  };
}

const onLoopback = { httpGet: { host: "127.0.0.1" }, initialDelaySeconds: 0 };
const PROBES_ON_LOOPBACK = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "kube-apiserver", namespace: "kube-system" },
  spec: {
    containers: [
      {
        name: "kube-apiserver",
        startupProbe: { ...onLoopback, periodSeconds: 1, failureThreshold: 300 },
        livenessProbe: onLoopback,
        readinessProbe: onLoopback,
      },
    ],
  },
};
