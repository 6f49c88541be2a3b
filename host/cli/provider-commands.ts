/** The commands for authors of providers: rows of the table in host/main.ts. */
import type { Command, Option } from "./command.ts";
import { JSON_OBJECT } from "./common-options.ts";
import type { ProviderTestOptions } from "./provider-test.ts";

const FIXTURE: Option = {
  flags: "--fixture <file>",
  about:
    "the key, the settings and the answers of the KMS; by default kms.fixture.json in the folder of the module's name beside it, else beside it",
};

/** @param version of this program */
export function providerCommands(version: string): readonly Command[] {
  return [
    {
      name: "provider test",
      arguments: "<module>",
      summary:
        "Run the conformance kit on a module, in its sandbox: admission, messages, contract, and each answer that a host or a KMS can give. Prints TAP.",
      options: [
        FIXTURE,
        {
          flags: "-c, --config <file>",
          about:
            "test with the real KMS of this configuration, which must have the module; no fixture is needed",
        },
        {
          flags: "--level <number>",
          about:
            "run this level: 0 admission, 1 messages, 2 contract, 3 host, 4 live (only with --config); by default all that are possible",
          repeated: true,
        },
        {
          flags: "--report <file>",
          about: "also write the results as JSON, with the module's SHA-256, for kleidi inspect --report",
        },
        { flags: "--bail", about: "stop at the first failure", default: false },
        JSON_OBJECT,
      ],
      examples: [
        { does: "Prove a provider", line: "kleidi provider test providers/local.wasm" },
        {
          does: "Write a report for the person who approves the module",
          line: "kleidi provider test providers/vault.wasm --report vault.conformance.json",
        },
        {
          does: "Test with the real KMS of a configuration",
          line: "kleidi provider test providers/tpm.wasm --config .kleidi/kleidi.yaml",
        },
      ],
      run: async (options: ProviderTestOptions, module: string) =>
        (await import("./provider-test.ts")).providerTestCommand(module, options, version),
    },
  ];
}
