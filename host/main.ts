/** argv → command: the table of commands. Each is loaded when it is called: most need little of the host, and start in half the time so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { AUDIT_COMMANDS } from "./cli/audit-commands.ts";
import type { Option } from "./cli/command.ts";
import { execute, type Program } from "./cli/execute.ts";
import type { InspectOptions } from "./cli/inspect.ts";
import type { KeyInitOptions } from "./cli/key.ts";
import { EXIT } from "./cli/output.ts";

const manifest: { version: string } = JSON.parse(
  readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"),
);

const CONFIG: Option = {
  flags: "-c, --config <file>",
  about: "the configuration",
  default: "/etc/kleidi/kleidi.yaml",
};
const JSON_OBJECT: Option = {
  flags: "--json",
  about: "print one JSON object instead of text",
  default: false,
};
const LIVE: Option = {
  flags: "--live",
  about: "also start the providers and do Status, Encrypt and Decrypt through the sandbox",
  default: false,
};

type Configured = { config: string; json: boolean };

export const PROGRAM: Program = {
  version: manifest.version,
  groups: {
    key: "Create and list software keys.",
    audit: "Read, verify and export an audit log (docs/audit.md).",
  },
  commands: [
    {
      name: "serve",
      summary: "Serve KMS v2 on the configured Unix socket until SIGTERM; logs go to stderr or the log file.",
      options: [CONFIG],
      examples: [
        { does: "Serve with the configuration in /etc/kleidi", line: "kleidi serve" },
        { does: "Serve with another one", line: "kleidi serve --config .kleidi/kleidi.yaml" },
      ],
      run: async ({ config }: { config: string }) =>
        (await import("./cli/serve.ts")).serveCommand(config, manifest.version),
    },
    {
      name: "check",
      summary: "Check the configuration, the modules, their digests and grants, and the keys.",
      options: [LIVE, CONFIG, JSON_OBJECT],
      examples: [
        { does: "Check everything without starting a provider", line: "kleidi check" },
        {
          does: "Have every provider encrypt and decrypt, too",
          line: "kleidi check --live --config .kleidi/kleidi.yaml",
        },
      ],
      run: async ({ config, ...options }: Configured & { live: boolean }) =>
        (await import("./cli/check.ts")).checkCommand(config, options),
    },
    {
      name: "doctor",
      summary:
        "Check all that check does, what each TPM can do and lacks, and the way to each origin: name, TLS, login, policy.",
      options: [LIVE, CONFIG, JSON_OBJECT],
      examples: [
        { does: "Find out why a provider does not reach its KMS", line: "kleidi doctor" },
        { does: "Check all that can be checked, for a machine", line: "kleidi doctor --live --json" },
      ],
      run: async ({ config, ...options }: Configured & { live: boolean }) =>
        (await import("./cli/doctor.ts")).doctorCommand(config, options),
    },
    {
      name: "healthcheck",
      summary: "Ask a running host for its Status over the socket, as the API server does.",
      options: [
        { flags: "--socket <path>", about: "the socket, instead of the configuration's" },
        {
          flags: "--timeout <ms>",
          about: "how long to wait for the answer, in milliseconds",
          whole: [1, 60_000],
          default: 3_000,
        },
        CONFIG,
        JSON_OBJECT,
      ],
      examples: [
        { does: "Ask the host of the configuration in /etc/kleidi", line: "kleidi healthcheck" },
        {
          does: "Ask at a socket, and wait one second at most",
          line: "kleidi healthcheck --socket /run/kleidi/kms.sock --timeout 1000",
        },
      ],
      run: async ({ config, timeout, ...options }: Configured & { socket?: string; timeout: number }) =>
        (await import("./cli/healthcheck.ts")).healthcheckCommand(config, { ...options, timeoutMs: timeout }),
    },
    {
      name: "inspect",
      arguments: "<module>",
      summary:
        "Read a module without running it: what it requests, what its code can reach, and what admission would refuse.",
      options: [
        { flags: "--html <file>", about: "also write the report as one page, to be filed with an approval" },
        {
          flags: "-c, --config <file>",
          about: "also compare it with this configuration: pin, trust and grants",
        },
        JSON_OBJECT,
      ],
      examples: [
        { does: "Read a module that nobody has approved yet", line: "kleidi inspect providers/local.wasm" },
        {
          does: "Compare it with a configuration, and write the page for the file",
          line: "kleidi inspect providers/local.wasm --config kleidi.yaml --html local-approved.html",
        },
      ],
      run: async (options: InspectOptions, module: string) =>
        (await import("./cli/inspect.ts")).inspectCommand(module, options),
    },
    {
      name: "diff",
      arguments: "<old> <new>",
      summary: "Compare the authority of two modules; exit 1 if the new one has more.",
      options: [JSON_OBJECT],
      examples: [
        {
          does: "Stop a release that asks for more than the one before",
          line: "kleidi diff local-1.0.wasm local-1.1.wasm",
        },
      ],
      run: async (options: { json: boolean }, old: string, now: string) =>
        (await import("./cli/diff.ts")).diffCommand(old, now, options),
    },
    {
      name: "key init",
      arguments: "[name]",
      summary:
        "Create a key, the active one without a name; refuses if one exists or ever existed under this name.",
      options: [
        {
          flags: "--scheme <text>",
          about: "for a key that its provider creates: how, as the provider's page says",
        },
        {
          flags: "--import <file>",
          about:
            "for a key that its provider creates: from 32 bytes, as hexadecimal digits in a file of mode 0600",
        },
        {
          flags: "--escrow <file>",
          about: "as --import, of new random bytes, which are written to this new file first",
        },
        CONFIG,
        JSON_OBJECT,
      ],
      examples: [
        { does: "Create the active key", line: "kleidi key init" },
        {
          does: "Create a key in the TPM of the first node, and write its bytes for the others",
          line: "kleidi key init kek-2026 --escrow /run/kek-2026.hex",
        },
        {
          does: "Import it on each other node",
          line: "kleidi key init kek-2026 --import kek-2026.hex",
        },
      ],
      run: async ({ config, ...options }: Configured & KeyInitOptions, name?: string) =>
        (await import("./cli/key.ts")).keyInitCommand(config, name, options),
    },
    {
      name: "key list",
      summary: "List the keys with their files and fingerprints.",
      options: [CONFIG, JSON_OBJECT],
      examples: [
        { does: "Compare the fingerprints on two nodes", line: "kleidi key list" },
        {
          does: "List the keys of another configuration, for a machine",
          line: "kleidi key list --config .kleidi/kleidi.yaml --json",
        },
      ],
      run: async ({ config, json }: Configured) =>
        (await import("./cli/key.ts")).keyListCommand(config, { json }),
    },
    ...AUDIT_COMMANDS,
  ],
};

if (import.meta.main) {
  // "kleidi … | head" ends when its reader does.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.SUCCESS);
    throw error;
  });
  process.exitCode = await execute(PROGRAM, process.argv.slice(2));
}
