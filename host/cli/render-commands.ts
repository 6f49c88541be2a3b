/** The commands under "kleidi render": rows of the table in host/main.ts. */

import type { Command, Option } from "./command.ts";
import { CONFIG, JSON_OBJECT } from "./common-options.ts";
import type {
  DistributionOptions,
  EncryptionCommandOptions,
  PodCommandOptions,
  SystemdCommandOptions,
} from "./render-forms.ts";

const COMMON: readonly Option[] = [
  CONFIG,
  {
    flags: "--node-config <file>",
    about: "the path of the configuration on the node; relative paths in it are resolved against its folder",
    default: "/etc/kleidi/kleidi.yaml",
  },
  { flags: "-o, --out <folder>", about: "write the files under this folder instead of printing them" },
  JSON_OBJECT,
];
const PROGRAM: Option = {
  flags: "--program <file>",
  about: "the command kleidi on the node",
  default: "/opt/kleidi/host/kleidi",
};
const IMAGE: Option = {
  flags: "--image <reference>",
  about: "the image of kleidi, best with its digest; required",
};
const MODULE_IMAGE: Option = {
  flags: "--module-image <provider=reference>",
  about:
    "the image of a provider's module, mounted as an image volume; for a module under /opt/kleidi/modules",
  repeated: true,
};
const ENCRYPTION: readonly Option[] = [
  {
    flags: "--stage <stage>",
    about:
      "stage (others write, kleidi reads), promote (kleidi writes), retire (kleidi alone), leave (others write again)",
    default: "promote",
  },
  { flags: "--resource <name>", about: "a resource to encrypt, by default secrets", repeated: true },
  {
    flags: "--existing <file>",
    about:
      "the EncryptionConfiguration in force, whose resources and providers are kept; needs --out, as it may hold keys",
  },
];

const FORM: Option = {
  flags: "--form <form>",
  about: "the form of kleidi on the node: systemd, static-pod or sidecar",
  default: "systemd",
};
const NODE: readonly Option[] = [
  FORM,
  PROGRAM,
  { ...IMAGE, about: "the image of kleidi, best with its digest; required for a pod" },
  MODULE_IMAGE,
];

const EXAMPLE_IMAGE = "--image registry.example/kleidi:0.1.0";
/** Loaded only when a form is rendered. */
const forms = () => import("./render-forms.ts");

export const RENDER_COMMANDS: readonly Command[] = [
  {
    name: "render systemd",
    summary: "Render the unit, the users and the folders of a systemd service.",
    options: [
      PROGRAM,
      {
        flags: "--socket-unit",
        about: "let systemd hold the socket, so that no connection is refused while the service restarts",
        default: false,
      },
      ...COMMON,
    ],
    examples: [
      { does: "Print the files", line: "kleidi render systemd" },
      { does: "Write them under a folder", line: "kleidi render systemd --out node-files" },
    ],
    run: async (options: SystemdCommandOptions) => (await forms()).renderSystemdCommand(options),
  },
  {
    name: "render static-pod",
    summary: "Render the manifest, the users and the folders of a static pod.",
    options: [IMAGE, MODULE_IMAGE, ...COMMON],
    examples: [
      {
        does: "Print the files for an image",
        line: `kleidi render static-pod ${EXAMPLE_IMAGE}`,
      },
      {
        does: "Take the module of a provider from an image of its own",
        line: `kleidi render static-pod ${EXAMPLE_IMAGE} --module-image local=registry.example/kleidi-provider-local:0.1.0 --config pod-module.yaml`,
      },
    ],
    run: async (options: PodCommandOptions) => (await forms()).renderStaticPodCommand(options),
  },
  {
    name: "render encryption-config",
    summary: "Render the API server's EncryptionConfiguration for one stage of a migration.",
    options: [...ENCRYPTION, ...COMMON],
    examples: [
      {
        does: "Let every API server read with kleidi first",
        line: "kleidi render encryption-config --stage stage",
      },
      {
        does: "Let it write in place of the providers of an existing file",
        line: "kleidi render encryption-config --existing enc.yaml --out node-files",
      },
    ],
    run: async (options: EncryptionCommandOptions) => (await forms()).renderEncryptionCommand(options),
  },
  {
    name: "render sidecar",
    summary:
      "Render a strategic patch of the API server's manifest that runs kleidi as a sidecar in its pod.",
    options: [IMAGE, MODULE_IMAGE, ...COMMON],
    examples: [
      {
        does: "Write the patch where kubeadm reads patches",
        line: `kleidi render sidecar ${EXAMPLE_IMAGE} --out node-files`,
      },
    ],
    run: async (options: PodCommandOptions) => (await forms()).renderSidecarCommand(options),
  },
  {
    name: "render kubeadm",
    summary: "Render a form, the EncryptionConfiguration and the ClusterConfiguration for kubeadm.",
    options: [...NODE, ...ENCRYPTION, ...COMMON],
    examples: [
      { does: "Run kleidi as a service", line: "kleidi render kubeadm --out node-files" },
      {
        does: "Run it in the API server's pod",
        line: `kleidi render kubeadm --form sidecar ${EXAMPLE_IMAGE} --out node-files`,
      },
    ],
    run: async (options: DistributionOptions) =>
      (await forms()).renderDistributionCommand("kubeadm", options),
  },
  {
    name: "render k3s",
    summary: "Render a form, the EncryptionConfiguration and the server's configuration for k3s.",
    options: [
      ...NODE,
      {
        flags: "--kubelet-first",
        about: "this k3s starts the kubelet without waiting for the KMS (its pull request 14635)",
        default: false,
      },
      ...ENCRYPTION,
      ...COMMON,
    ],
    examples: [{ does: "Run kleidi as a service", line: "kleidi render k3s --out node-files" }],
    run: async (options: DistributionOptions) => (await forms()).renderDistributionCommand("k3s", options),
  },
  {
    name: "render rke2",
    summary: "Render a form, the EncryptionConfiguration and the server's configuration for RKE2.",
    options: [...NODE, ...ENCRYPTION, ...COMMON],
    examples: [
      {
        does: "Let kleidi write in place of RKE2's own provider",
        line: "kleidi render rke2 --existing encryption-config.json --out node-files",
      },
    ],
    run: async (options: DistributionOptions) => (await forms()).renderDistributionCommand("rke2", options),
  },
  {
    name: "render talos",
    summary: "Render a patch of the machine configuration of Talos 1.14, with a static pod.",
    options: [IMAGE, ...ENCRYPTION, ...COMMON],
    examples: [
      {
        does: "Write the patch",
        line: `kleidi render talos ${EXAMPLE_IMAGE} --node-config /var/lib/kleidi/kleidi.yaml --out .`,
      },
    ],
    run: async (options: EncryptionCommandOptions & PodCommandOptions) =>
      (await forms()).renderTalosCommand(options),
  },
];
