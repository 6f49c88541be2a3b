/** Renders for k3s and RKE2: a file of config.yaml.d, whose keys with a plus sign are added to those of other files. */
import { apiServerArguments, apiServerMounts } from "./api-server.ts";
import { type EncryptionOptions, renderEncryptionConfig } from "./encryption-config.ts";
import { yaml } from "./escape.ts";
import { type NodeForm, renderForm } from "./node-form.ts";
import { joined, type Rendered, type RenderInput, rootFile } from "./rendered.ts";

type Encryption = Omit<EncryptionOptions, "file">;

/** k3s-io/k3s pull request 14635, September 2026. */
const WAITS =
  "before pull request 14635 (September 2026) k3s starts the kubelet only once the API server is ready, and the API server is ready only once kleidí serves: render the form systemd, or give --kubelet-first if the release notes of this k3s have the pull request";

export interface K3sOptions {
  /** True if this k3s starts the kubelet without waiting for the KMS. */
  readonly kubeletFirst: boolean;
}

/** k3s runs the API server in its own process as root, so nothing is mounted. @throws KleidiError render-refused */
export function renderK3s(
  input: RenderInput,
  node: NodeForm,
  encryption: Encryption,
  { kubeletFirst }: K3sOptions,
): Rendered {
  const manifests = "/var/lib/rancher/k3s/agent/pod-manifests";
  const file = "/etc/rancher/k3s/enc/enc.yaml";
  return joined(
    renderForm(input, node, {
      name: "k3s",
      manifests,
      pull: "k3s crictl pull",
      impossible: {
        ...(kubeletFirst ? {} : { "static-pod": WAITS }),
        sidecar: "k3s runs the API server in its own process and not in a pod: render the form systemd",
      },
    }),
    renderEncryptionConfig(input, { ...encryption, file }),
    {
      files: [rootFile("/etc/rancher/k3s/config.yaml.d/50-kleidi.yaml", yaml(argumentsOf(file)))],
      commands: ["systemctl restart k3s.service"],
      notes: [
        "Leave out secrets-encryption: k3s secrets-encrypt refuses other providers. If it was on, give --existing /var/lib/rancher/k3s/server/cred/encryption-config.json.",
      ],
    },
  );
}

/** RKE2 generates the API server's manifest itself, with the mounts that its options name. @throws KleidiError render-refused */
export function renderRke2(input: RenderInput, node: NodeForm, encryption: Encryption): Rendered {
  const manifests = "/var/lib/rancher/rke2/agent/pod-manifests";
  const file = "/etc/rancher/rke2/enc/enc.yaml";
  const mounts = apiServerMounts(input, file).map(({ folder }) => `${folder}:${folder}:ro`);
  return joined(
    renderForm(input, node, {
      name: "rke2",
      manifests,
      pull: RKE2_PULL,
      impossible: {
        sidecar:
          "RKE2 makes the API server's manifest and accepts no patch for it: render the form systemd or static-pod",
      },
    }),
    renderEncryptionConfig(input, { ...encryption, file }),
    {
      files: [
        rootFile(
          "/etc/rancher/rke2/config.yaml.d/50-kleidi.yaml",
          yaml({ ...argumentsOf(file), "kube-apiserver-extra-mount+": mounts }),
        ),
      ],
      commands: ["systemctl restart rke2-server.service"],
      notes: [
        "RKE2 encrypts Secrets by default: in an existing cluster, give --existing /var/lib/rancher/rke2/server/cred/encryption-config.json, or the API server cannot read them.",
      ],
    },
  );
}

const RKE2_PULL =
  "/var/lib/rancher/rke2/bin/crictl --config /var/lib/rancher/rke2/agent/etc/crictl.yaml pull";

function argumentsOf(file: string): object {
  return { "kube-apiserver-arg+": apiServerArguments(file).map(([name, value]) => `${name}=${value}`) };
}
