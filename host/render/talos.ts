/** Renders for Talos 1.14: one patch of the machine configuration. Its files are under /var, where Talos creates folders for root only. */
import { apiServerMounts } from "./api-server.ts";
import { IN_IMAGE, refuseInPod } from "./container.ts";
import { type EncryptionOptions, encryptionRules } from "./encryption-config.ts";
import { shellWord, yaml } from "./escape.ts";
import { refuseIf } from "./refusal.ts";
import { type Rendered, type RenderInput, rootFile } from "./rendered.ts";
import { podNotes, podOf } from "./static-pod.ts";

/** The user and group of Talos' API server. */
const API_SERVER = 65_534;
const ROOT = 0;
/** Talos places its own EncryptionConfiguration. */
const TALOS_FILE = "";
/** The file name of the patch on the machine that runs talosctl. */
const PATCH = "/talos-patch.yaml";

export interface TalosOptions {
  readonly image: string;
  readonly encryption: Omit<EncryptionOptions, "file">;
}

/** @throws KleidiError render-refused */
export function renderTalos(input: RenderInput, { image, encryption }: TalosOptions): Rendered {
  refuseInPod("talos", input);
  refuseIf("talos", refusals(input));
  const documents = [
    machineOf(input, image),
    {
      apiVersion: "v1alpha1",
      kind: "KubeEtcdEncryptionConfig",
      config: encryptionRules(input, { ...encryption, file: TALOS_FILE }),
    },
  ];
  return {
    // the encryption rules may contain keys of other providers
    files: [rootFile(PATCH, documents.map(yaml).join("---\n"), 0o600)],
    commands: [
      `talosctl image pull --namespace cri ${shellWord(image)}`,
      "talosctl patch machineconfig --patch @talos-patch.yaml",
    ],
    notes: [
      ...podNotes(input, image),
      "The container runs as root without capabilities, because Talos creates its folders for root only.",
      "The patch was not tried on Talos: apply it to one control-plane node first, with talosctl's --mode=try.",
      "Talos has no shell: create key files on another machine, or with a pod that runs once.",
    ],
  };
}

function refusals({ config }: RenderInput): string[] {
  const { file, listen, providers } = config;
  return [
    ...(file.startsWith("/var/")
      ? []
      : [
          `Talos writes files under /var only, and the configuration is ${file}: give --node-config /var/lib/kleidi/kleidi.yaml`,
        ]),
    ...(listen.group === API_SERVER && (listen.mode & 0o060) === 0o060
      ? []
      : [`Talos' API server runs as ${API_SERVER}: write listen.mode "0660" and listen.group ${API_SERVER}`]),
    ...providers
      .filter(({ module }) => !module.startsWith(IN_IMAGE))
      .map(
        ({ name }) =>
          `Talos cannot bring the module of provider ${name} to the node: build it into the image, under ${IN_IMAGE}`,
      ),
  ];
}

function machineOf(input: RenderInput, image: string): object {
  const { config, text } = input;
  const [socket] = apiServerMounts(input, "/").slice(1);
  return {
    machine: {
      files: [{ path: config.file, permissions: 0o644, op: "create", content: text }],
      pods: [podOf(input, { image, user: ROOT })],
    },
    cluster: {
      apiServer: {
        extraVolumes: [{ hostPath: socket?.folder, mountPath: socket?.folder, readonly: true }],
      },
    },
  };
}
