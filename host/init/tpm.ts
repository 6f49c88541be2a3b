/** The template of the tpm provider: a KEK that never leaves a TPM 2.0. */
import type { Template } from "./template.ts";
import { scalar, shellWord } from "./words.ts";

const state = (data = "") => `${data}/state`;

export const tpm: Template = {
  name: "tpm",
  about: "a TPM 2.0 of the machine",
  questions: [
    {
      name: "data",
      value: "<folder>",
      about: "the folder of the host's data",
      key: ["state", "directory"],
      byDefault: "/var/lib/kleidi",
    },
    {
      name: "device",
      value: "<device>",
      about: "the TPM",
      key: ["providers", "tpm", "grants", "tpm", "device"],
      byDefault: "/dev/tpmrm0",
    },
  ],
  section: ({ data }) => [
    "state:",
    `  directory: ${scalar(state(data))} # the wrapped keys: useless without this TPM, and needed with it`,
  ],
  grants: ({ device = "", key = "" }) => [
    "tpm:",
    `  device: ${scalar(device)} # through a command filter; add "unseal: true" for the scheme "sealed" only`,
    "state:",
    `  names: [${scalar(key)}] # the record of the key`,
  ],
  steps: ({ data, device = "", key = "" }, command) => [
    `as the user of the host, who can open ${device}: install -d -m 0700 ${shellWord(state(data))}`,
    `on one control plane: ${command(`key init ${key}`)}; on several: "--escrow FILE" on the first, "--import FILE" on the others`,
  ],
};
