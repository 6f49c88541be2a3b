/** The commands for authors of providers: rows of the table in host/main.ts. */
import type { Command, Option } from "./command.ts";
import { JSON_OBJECT } from "./common-options.ts";
import type { ProviderBenchOptions } from "./provider-bench.ts";
import type { ProviderRunOptions } from "./provider-run.ts";
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
          flags: "--rotate <command>",
          about: "with --config: a command that makes a new version of the key, for level 4",
        },
        {
          flags: "--stop <command>",
          about: "with --config: a command after which the KMS cannot be reached, for level 4",
        },
        { flags: "--start <command>", about: "with --stop: a command after which it can be reached again" },
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
    {
      name: "provider run",
      arguments: "<module> <rpc>",
      summary:
        "Run status, encrypt, decrypt or all of a module once, in its sandbox, without a configuration: with the KMS of its fixture, or with a real origin.",
      options: [
        FIXTURE,
        { flags: "--key <name>", about: "the key's name; by default the fixture's, or kek" },
        { flags: "--set <name=value>", about: "a setting of the key", repeated: true },
        { flags: "--origin <url>", about: "send the requests to this origin, in place of the fixture" },
        {
          flags: "--allow <request>",
          about: "with --origin: a request that is granted, as in the configuration",
          repeated: true,
        },
        {
          flags: "--network <network>",
          about: "with --origin: a network in which a private address is allowed",
          repeated: true,
        },
        { flags: "--ca <file>", about: "with --origin: the CA of its certificate" },
        { flags: "--token-file <file>", about: "with --origin: the host's token, in a file of mode 0600" },
        {
          flags: "--token-header <header>",
          about: "the header of the token, and perhaps a scheme before it",
          default: "authorization Bearer",
        },
        {
          flags: "--trace",
          about: "print each host call: number of the budget, operation, path, result, bytes, milliseconds",
          default: false,
        },
        {
          flags: "--record <file>",
          about:
            "write all calls with their answers, random bytes and plaintexts included, without the credential",
        },
        {
          flags: "--replay <file>",
          about: "make the recorded calls again with the recorded answers; exit 1 if anything differs",
        },
        JSON_OBJECT,
      ],
      examples: [
        { does: "See the host calls", line: "kleidi provider run providers/vault.wasm all --trace" },
        {
          does: "Record the calls",
          line: "kleidi provider run providers/vault.wasm all --record vault.jsonl",
        },
        {
          does: "Compare another build with the recording",
          line: "kleidi provider run providers/vault.wasm all --replay vault.jsonl",
        },
      ],
      run: async (options: ProviderRunOptions, module: string, rpc: string) =>
        (await import("./provider-run.ts")).providerRunCommand(module, rpc, options),
    },
    {
      name: "provider bench",
      arguments: "<module>",
      summary:
        "Measure Status, Encrypt and Decrypt of a module in its sandbox, with the KMS of its fixture: wall time, guest, host calls, CPU and bytes; beside another build, in turns.",
      options: [
        { flags: "--against <old>", about: "also measure this module, with the same fixture" },
        FIXTURE,
        { flags: "--calls <count>", about: "calls of each RPC", default: 200, integer: [10, 100_000] },
        JSON_OBJECT,
      ],
      examples: [
        { does: "Measure a module", line: "kleidi provider bench providers/vault.wasm" },
        {
          does: "Compare a build with the one before",
          line: "kleidi provider bench mine.wasm --against mine.old.wasm --calls 1000",
        },
      ],
      run: async (options: ProviderBenchOptions, module: string) =>
        (await import("./provider-bench.ts")).providerBenchCommand(module, options),
    },
  ];
}
