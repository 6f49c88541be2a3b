/** The command `config init`. Its options are the questions of the templates. */

import type { Question } from "../init/template.ts";
import { QUESTIONS, questionsOf, TEMPLATES } from "../init/templates.ts";
import type { Command, Option } from "./command.ts";
import type { ConfigInitOptions } from "./config-init.ts";

function optionOf({ name, value, about, byDefault }: Question): Option {
  const users = TEMPLATES.filter((template) => questionsOf(template).some((each) => each.name === name));
  const only =
    users.length === TEMPLATES.length ? "" : `for ${users.map((each) => each.name).join(" and ")}: `;
  const unset = byDefault === undefined ? "" : `; by default ${byDefault}`;
  return { flags: `--${name} ${value}`, about: `${only}${about}${unset}` };
}

export const CONFIG_COMMANDS: readonly Command[] = [
  {
    name: "config init",
    summary:
      "Write a configuration with comments. On a terminal, asks for each answer that no option gives. Never overwrites a file.",
    options: [
      {
        flags: "--for <provider>",
        about: `the place of the KEK: ${TEMPLATES.map(({ name, about }) => `${name} (${about})`).join(", ")}`,
      },
      ...QUESTIONS.map(optionOf),
      {
        flags: "--module <file>",
        about: "the provider's module, whose digest is pinned; by default the one beside this kleidi",
      },
      {
        flags: "-c, --config <file>",
        about: "the path of the new file",
        default: "/etc/kleidi/kleidi.yaml",
      },
      { flags: "--json", about: "print one JSON object instead of text", default: false },
    ],
    examples: [
      { does: "Answer questions on a terminal", line: "kleidi config init" },
      {
        does: "Keep the KEK in a file",
        line: "kleidi config init --for local --key kek-2026 --group kleidi-socket",
      },
      {
        does: "Keep the KEK in Vault",
        line: "kleidi config init --for vault --key kek-2026 --origin https://vault.example:8200 --network 10.20.0.0/16 --ca /etc/kleidi/vault-ca.pem --role-id 3f0c2b1e-8a3c-4c57-9d0f-0d6f1b2c9a11 --secret-file /etc/kleidi/secret-id",
      },
    ],
    run: async ({ config, ...options }: ConfigInitOptions & { config: string }) =>
      (await import("./config-init.ts")).configInitCommand(config, options),
  },
];
