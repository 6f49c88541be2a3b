/** The static pods of etcd and kube-apiserver, like those of kubeadm, reduced to the needs of a test node. */
import { generateKeyPairSync } from "node:crypto";
import { type ImageName, nameOf } from "./images.ts";
import { MANIFESTS, NODE } from "./kubelet.ts";
import type { Machine } from "./machine.ts";

export const PKI = "/etc/kubernetes/pki";
/** The path of the file of `kleidi render encryption-config`. */
export const ENCRYPTION_CONFIG = "/etc/kubernetes/enc/enc.yaml";

export interface Ports {
  readonly etcd: number;
  readonly etcdPeer: number;
  readonly api: number;
}

/** Writes the service account key and the tokens of the administrator and the kubelet. */
export function writeCredentials(machine: Machine, tokens: { admin: string; node: string }): void {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  machine.write(`${PKI}/sa.key`, privateKey.export({ type: "pkcs8", format: "pem" }).toString(), 0o600);
  machine.write(`${PKI}/sa.pub`, publicKey.export({ type: "spki", format: "pem" }).toString());
  const lines = [
    `${tokens.admin},admin,admin,system:masters`,
    `${tokens.node},system:node:${NODE},${NODE},system:nodes`,
  ];
  machine.write(`${PKI}/tokens.csv`, `${lines.join("\n")}\n`, 0o600);
}

export function writeEtcd(machine: Machine, { etcd, etcdPeer }: Ports): void {
  const [client, peer] = [`http://127.0.0.1:${etcd}`, `http://127.0.0.1:${etcdPeer}`];
  const args = [
    `--name=${NODE}`,
    "--data-dir=/var/lib/etcd",
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=${NODE}=${peer}`,
    "--unsafe-no-fsync",
  ];
  writePod(machine, podOf("etcd", args, ["/var/lib/etcd"], { path: "/health", port: etcd, scheme: "HTTP" }));
}

export function writeApiServer(machine: Machine, ports: Ports): void {
  writePod(machine, apiServerPod(ports));
}

/** The pod of kube-apiserver; a test may change it before writing it. */
export function apiServerPod({ etcd, api }: Ports): StaticPod {
  const args = [
    `--etcd-servers=http://127.0.0.1:${etcd}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    `--secure-port=${api}`,
    "--cert-dir=/run/kubernetes",
    "--service-cluster-ip-range=10.0.0.0/24",
    "--service-account-issuer=https://kubernetes.default.svc",
    `--service-account-signing-key-file=${PKI}/sa.key`,
    `--service-account-key-file=${PKI}/sa.pub`,
    `--token-auth-file=${PKI}/tokens.csv`,
    "--authorization-mode=Node,RBAC",
    `--encryption-provider-config=${ENCRYPTION_CONFIG}`,
  ];
  const folders = [PKI, "/etc/kubernetes/enc", "/run/kleidi", "/run/kubernetes"];
  return podOf("kube-apiserver", args, folders, { path: "/livez", port: api, scheme: "HTTPS" });
}

export function writePod(machine: Machine, pod: StaticPod): void {
  machine.write(`${MANIFESTS}/${pod.metadata.name}.yaml`, JSON.stringify(pod));
}

export function podOf(
  name: ImageName,
  args: readonly string[],
  folders: readonly string[],
  probe?: { path: string; port: number; scheme: string },
) {
  const httpGet = { host: "127.0.0.1", ...probe };
  const volumes = folders.map((path, index) => ({
    name: `folder-${index}`,
    hostPath: { path, type: "DirectoryOrCreate" },
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "kube-system", labels: { component: name, tier: "control-plane" } },
    spec: {
      hostNetwork: true,
      priorityClassName: "system-node-critical",
      containers: [
        {
          name,
          image: nameOf(name),
          imagePullPolicy: "Never",
          args,
          ...(probe && {
            startupProbe: { httpGet, periodSeconds: 1, failureThreshold: 300 },
            livenessProbe: { httpGet, periodSeconds: 10, timeoutSeconds: 15, failureThreshold: 8 },
          }),
          volumeMounts: volumes.map(({ name: volume, hostPath }) => ({
            name: volume,
            mountPath: hostPath.path,
          })),
        },
      ],
      volumes,
    },
  };
}
export type StaticPod = ReturnType<typeof podOf>;
