/** The command for plugins that are not kleidi's: a row of the table in host/main.ts. */
import type { Command } from "./command.ts";
import { JSON_OBJECT } from "./common-options.ts";
import type { ConformanceOptions } from "./conformance.ts";

/** @param version of this program */
export function conformanceCommands(version: string): readonly Command[] {
  return [
    {
      name: "conformance",
      arguments: "<socket>",
      summary:
        "Run the conformance kit on a KMS v2 plugin, of kleidi or of anybody, over its socket: what an API server demands, and what it does. Encrypts and decrypts random seeds. Prints TAP (docs/conformance.md).",
      options: [
        {
          flags: "--timeout <ms>",
          about: "milliseconds for a call, as the timeout of the EncryptionConfiguration",
          default: 3_000,
          integer: [1, 600_000],
        },
        {
          flags: "--polls <count>",
          about: "calls of Status by the simulated API server; 60 are an hour",
          default: 60,
          integer: [1, 100_000],
        },
        {
          flags: "--poll <ms>",
          about: "milliseconds between them; an API server waits 60000",
          default: 20,
          integer: [0, 60_000],
        },
        {
          flags: "--seeds <count>",
          about: "distinct seeds that an API server decrypts at its restart",
          default: 64,
          integer: [1, 10_000],
        },
        {
          flags: "--variants <count>",
          about: "the most changes of one kind that are tried, such as of each byte",
          default: 1_024,
          integer: [4, 65_536],
        },
        { flags: "--rotate <command>", about: "a command that makes another key the plugin's" },
        { flags: "--restart <command>", about: "a command that restarts the plugin" },
        JSON_OBJECT,
      ],
      examples: [
        { does: "Test a plugin", line: "kleidi conformance /run/kms/plugin.sock" },
        {
          does: "Test what an API server sees at a rotation, with a plugin whose KMS charges for each call",
          line: "kleidi conformance unix:///run/kms/plugin.sock --rotate ./rotate.sh --variants 16 --seeds 8",
        },
      ],
      run: async (options: ConformanceOptions, socket: string) =>
        (await import("./conformance.ts")).conformanceCommand(socket, options, version),
    },
  ];
}
