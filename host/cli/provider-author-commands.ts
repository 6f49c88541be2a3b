/** The commands that make a provider: rows of the table in host/main.ts. */
import type { Command } from "./command.ts";
import { JSON_OBJECT } from "./common-options.ts";
import type { ProviderBuildOptions } from "./provider-build.ts";
import type { ProviderNewOptions } from "./provider-new.ts";
import type { ProviderSignOptions } from "./provider-sign.ts";

export const PROVIDER_AUTHOR_COMMANDS: readonly Command[] = [
  {
    name: "provider new",
    arguments: "<name>",
    summary:
      "Write the source of a new provider into a folder of its name: a working provider for a KMS with an interface over HTTP, with the SDK beside it.",
    options: [
      {
        flags: "--lang <language>",
        about: "assemblyscript, c or go",
        default: "assemblyscript",
      },
      JSON_OBJECT,
    ],
    examples: [
      { does: "Start a provider in AssemblyScript", line: "kleidi provider new mine" },
      { does: "Start one in C, which needs clang and lld only", line: "kleidi provider new mine --lang c" },
    ],
    run: async (options: ProviderNewOptions, name: string) =>
      (await import("./provider-new.ts")).providerNewCommand(name, options),
  },
  {
    name: "provider build",
    arguments: "[path]",
    summary:
      "Build a provider's module from a folder (AssemblyScript, C, Go, Zig) or from a raw module of any compiler: replace WASI, compute the rows of the manifest, attach it, and examine the result.",
    options: [
      { flags: "--out <file>", about: "the module to write; by default NAME.wasm in the folder" },
      {
        flags: "--fix",
        about: "write the rows that the code needs into provider.json; you write the reason of each new one",
        default: false,
      },
      {
        flags: "--dev",
        about: "keep names and maps, and report the text and the line of an abort; not for production",
        default: false,
      },
      JSON_OBJECT,
    ],
    examples: [
      { does: "Build the provider in this folder", line: "kleidi provider build" },
      { does: "Write the rows for the host calls of new code", line: "kleidi provider build mine --fix" },
      {
        does: "Link a module of another compiler; provider.json is beside it",
        line: "kleidi provider build raw.wasm --out mine.wasm",
      },
    ],
    run: async (options: ProviderBuildOptions, path = ".") =>
      (await import("./provider-build.ts")).providerBuildCommand(path as string, options),
  },
  {
    name: "provider sign",
    arguments: "<module>",
    summary:
      "Sign a module with a secret key of minisign, in the form that trust of a configuration demands (docs/operate/signed-modules.md).",
    options: [
      {
        flags: "--key <file>",
        about: "the secret key, without a password, in a file that only its owner can read",
      },
      { flags: "--expires <day>", about: "the last day on which the signature counts, as YYYY-MM-DD in UTC" },
      { flags: "--out <file>", about: "the signature to write; by default MODULE.minisig beside the module" },
      JSON_OBJECT,
    ],
    examples: [
      {
        does: "Sign a module until the end of a day",
        line: "kleidi provider sign mine.wasm --key release.key --expires 2027-06-30",
      },
      {
        does: "Add the signature of a second key",
        line: "kleidi provider sign mine.wasm --key second.key --out mine.wasm.second.minisig",
      },
    ],
    run: async (options: ProviderSignOptions, module: string) =>
      (await import("./provider-sign.ts")).providerSignCommand(module, options),
  },
];
