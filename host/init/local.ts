/** The template of the local provider: a KEK in a file of the host. */
import type { Template } from "./template.ts";
import { scalar, shellWord } from "./words.ts";

const keys = (data = "") => `${data}/keys`;

export const local: Template = {
  name: "local",
  about: "a file of the host",
  questions: [
    {
      name: "data",
      value: "<folder>",
      about: "the folder of the host's data",
      key: ["keystore", "directory"],
      byDefault: "/var/lib/kleidi",
    },
  ],
  section: ({ data }) => [
    "keystore:",
    `  directory: ${scalar(keys(data))} # the key files, of mode 0600; providers use keys by name and never see them`,
  ],
  grants: ({ key = "" }) => [
    "keystore:",
    `  keys: [${scalar(key)}] # the provider may use this key and no other`,
  ],
  steps: ({ data, key = "" }, command) => [
    `as the user of the host: install -d -m 0700 ${shellWord(keys(data))}`,
    command(`key init ${key}`),
    `copy ${key}.key and ${key}.json from ${keys(data)} to every control-plane node and to a backup`,
  ],
};
