/** Renders for kubeadm (v1beta4): arguments and mounts in its ClusterConfiguration, a sidecar as a patch. */
import { apiServerArguments, apiServerMounts } from "./api-server.ts";
import { ENCRYPTION_FILE, type EncryptionOptions, renderEncryptionConfig } from "./encryption-config.ts";
import { yaml } from "./escape.ts";
import { type NodeForm, renderForm } from "./node-form.ts";
import { joined, type Rendered, type RenderInput, rootFile } from "./rendered.ts";
import { PATCHES } from "./sidecar.ts";

export type Encryption = Omit<EncryptionOptions, "file">;

const FILE = "/etc/kubernetes/kleidi/kubeadm.yaml";
const API_VERSION = "kubeadm.k8s.io/v1beta4";

/** @throws KleidiError render-refused */
export function renderKubeadm(input: RenderInput, node: NodeForm, encryption: Encryption): Rendered {
  const isSidecar = node.form === "sidecar";
  const documents = [clusterOf(input), ...(isSidecar ? [PATCHED] : [])];
  return joined(
    renderForm(input, node, { name: "kubeadm" }),
    renderEncryptionConfig(input, { ...encryption, file: ENCRYPTION_FILE }),
    {
      files: [rootFile(FILE, documents.map(yaml).join("---\n"))],
      commands: [`kubeadm config validate --config ${FILE}`],
      notes: [
        "Merge the ClusterConfiguration into that of kubeadm init, or of the running cluster (kubectl --namespace kube-system edit configmap kubeadm-config), and have kubeadm write the API server's manifest again on each node.",
        ...(isSidecar
          ? [
              `kubeadm join and kubeadm upgrade need the patch again: set patches.directory ${PATCHES} in their configuration, or give --patches.`,
            ]
          : []),
      ],
    },
  );
}

const PATCHED = { apiVersion: API_VERSION, kind: "InitConfiguration", patches: { directory: PATCHES } };

function clusterOf(input: RenderInput): object {
  return {
    apiVersion: API_VERSION,
    kind: "ClusterConfiguration",
    apiServer: {
      extraArgs: apiServerArguments(ENCRYPTION_FILE).map(([name, value]) => ({ name, value })),
      extraVolumes: apiServerMounts(input, ENCRYPTION_FILE).map(({ name, folder }) => ({
        name,
        hostPath: folder,
        mountPath: folder,
        readOnly: true,
        pathType: "Directory",
      })),
    },
  };
}
