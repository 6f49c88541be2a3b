/** Options that several commands have. */
import type { Option } from "./command.ts";

export const CONFIG: Option = {
  flags: "-c, --config <file>",
  about: "the configuration",
  default: "/etc/kleidi/kleidi.yaml",
};
export const JSON_OBJECT: Option = {
  flags: "--json",
  about: "print one JSON object instead of text",
  default: false,
};
