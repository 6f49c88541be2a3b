/** Runs kubeadm on a node: merges the output of `kleidi render kubeadm` into its ClusterConfiguration, and writes the API server's patched pod. */
import { readFileSync } from "node:fs";
import { parseAllDocuments, stringify } from "yaml";
import { nameOf } from "./images.ts";
import { NODE } from "./kubelet.ts";
import type { TestNode } from "./node.ts";

/** The folder of the programs from test/node/go/build.sh. */
export const KUBEADM = "/opt/node-bin/kubeadm";
/** The file that kleidi render kubeadm writes. */
export const RENDERED = "/etc/kubernetes/kleidi/kubeadm.yaml";
const MERGED = "/etc/kubernetes/kubeadm.yaml";
/** The test's own patch, next to the rendered one, which kubeadm applies first. */
const OWN_PATCH = "/etc/kubernetes/patches/kube-apiserver1+strategic.yaml";
/** An address for documentation (RFC 5737): kubeadm refuses a loopback address, and nothing here uses this one. */
const NO_ADDRESS = "192.0.2.1";

interface Cluster {
  apiServer: { extraArgs: { name: string; value: string }[] };
}

/** Runs the phases of kubeadm init that write the certificates and the manifest of kube-apiserver. */
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
    // Otherwise kubeadm looks for the sockets of container runtimes.
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
