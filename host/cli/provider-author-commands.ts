/** The commands that make a provider: rows of the table in host/main.ts. */
import type { Command } from "./command.ts";
import { JSON_OBJECT } from "./common-options.ts";
import type { ProviderBuildOptions } from "./provider-build.ts";

export const PROVIDER_AUTHOR_COMMANDS: readonly Command[] = [
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
];
