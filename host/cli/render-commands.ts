/** The commands under "kleidi render": rows of the table in host/main.ts. */
import type { Command, Option } from "./command.ts";
import type { RenderOptions } from "./render.ts";
import type { EncryptionCommandOptions, PodCommandOptions } from "./render-forms.ts";

const COMMON: readonly Option[] = [
  { flags: "-c, --config <file>", about: "the configuration", default: "/etc/kleidi/kleidi.yaml" },
  {
    flags: "--node-config <file>",
    about: "the path of the configuration on the node; relative paths in it are resolved against its folder",
    default: "/etc/kleidi/kleidi.yaml",
  },
  { flags: "-o, --out <folder>", about: "write the files under this folder instead of printing them" },
  { flags: "--json", about: "print one JSON object instead of text", default: false },
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

export const RENDER_COMMANDS: readonly Command[] = [
  {
    name: "render systemd",
    summary: "Render the unit, the users and the folders of a systemd service.",
    options: [PROGRAM, ...COMMON],
    examples: [
      { does: "Print the files", line: "kleidi render systemd" },
      { does: "Write them under a folder", line: "kleidi render systemd --out node-files" },
    ],
    run: async (options: RenderOptions & { program: string }) =>
      (await import("./render-forms.ts")).renderSystemdCommand(options),
  },
  {
    name: "render static-pod",
    summary: "Render the manifest, the users and the folders of a static pod.",
    options: [IMAGE, ...COMMON],
    examples: [
      {
        does: "Print the files for an image",
        line: "kleidi render static-pod --image registry.example/kleidi:0.1.0",
      },
    ],
    run: async (options: PodCommandOptions) =>
      (await import("./render-forms.ts")).renderStaticPodCommand(options),
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
    run: async (options: EncryptionCommandOptions) =>
      (await import("./render-forms.ts")).renderEncryptionCommand(options),
  },
];
