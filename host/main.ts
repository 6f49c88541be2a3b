/** argv to command. Each command is loaded when it is called: most need little of the host, and start in half the time so. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { AuditExportOptions } from "./cli/audit-export.ts";
import type { AuditQueryOptions } from "./cli/audit-query.ts";
import type { AuditTailOptions } from "./cli/audit-tail.ts";
import type { AuditVerifyOptions } from "./cli/audit-verify.ts";
import type { InspectOptions } from "./cli/inspect.ts";
import type { KeyInitOptions } from "./cli/key.ts";
import { EXIT, fail } from "./cli/output.ts";

const DEFAULT_CONFIG = "/etc/kleidi/kleidi.yaml";
const manifest: { version: string } = JSON.parse(
  readFileSync(join(import.meta.dirname, "..", "package.json"), "utf8"),
);
const EXITS = "\nExit codes: 0 good, 1 found something, 2 used wrongly.";

const program = new Command("kleidi")
  .description("A KMS v2 plugin for Kubernetes whose providers are sandboxed WebAssembly guests.")
  .version(manifest.version)
  .exitOverride()
  .addHelpText("after", EXITS);

/** A command with --config and --json, whose action gives the exit code. */
function command(parent: Command, usage: string, description: string): Command {
  const added = parent.command(usage).description(description);
  return common(added.option("-c, --config <file>", "the configuration", DEFAULT_CONFIG));
}

/** One that needs no configuration. */
function bare(parent: Command, usage: string, description: string): Command {
  return common(parent.command(usage).description(description));
}

function common(command: Command): Command {
  return command.option("--json", "print one JSON object instead of text", false).addHelpText("after", EXITS);
}

/** @param work gets the options and then the arguments; one that takes several is a list */
function act<Options extends { json: boolean }, Words extends unknown[] = (string | undefined)[]>(
  work: (options: Options, ...words: Words) => Promise<number>,
) {
  return async (...args: unknown[]) => {
    const options = args.at(-2) as Options;
    try {
      process.exitCode = await work(options, ...(args.slice(0, -2) as Words));
    } catch (error) {
      process.exitCode = fail(error, options.json);
    }
  };
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 60_000) return value;
  throw new InvalidArgumentError("It should be 1 to 60000, in milliseconds.");
}

function lineCount(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 10_000) return value;
  throw new InvalidArgumentError("It should be 0 to 10000.");
}

const several = (text: string, before: string[]) => [...before, text];

type Common = { config: string; json: boolean };

command(
  program,
  "serve",
  "Serve KMS v2 on the configured Unix socket until SIGTERM; logs go to stderr or the log file.",
).action(
  act<Common>(async ({ config }) => {
    const { serveCommand } = await import("./cli/serve.ts");
    return serveCommand(config, manifest.version);
  }),
);
command(program, "check", "Look at the configuration, the modules, their digests and grants, and the keys.")
  .option("--live", "also start the providers and do Status, Encrypt and Decrypt through the sandbox", false)
  .action(
    act<Common & { live: boolean }>(async ({ config, ...options }) => {
      const { checkCommand } = await import("./cli/check.ts");
      return checkCommand(config, options);
    }),
  );
command(
  program,
  "doctor",
  "Look at all that check looks at, at what each TPM can do and lacks, and at the way to each origin.",
)
  .option("--live", "also start the providers and do Status, Encrypt and Decrypt through the sandbox", false)
  .action(
    act<Common & { live: boolean }>(async ({ config, ...options }) => {
      const { doctorCommand } = await import("./cli/doctor.ts");
      return doctorCommand(config, options);
    }),
  );
command(program, "healthcheck", "Ask Status over the socket, as the API server does.")
  .option("--socket <path>", "the socket, instead of the configuration's")
  .option("--timeout <ms>", "how long to wait for the answer", milliseconds, 3_000)
  .action(
    act<Common & { socket?: string; timeout: number }>(async ({ config, timeout, ...options }) => {
      const { healthcheckCommand } = await import("./cli/healthcheck.ts");
      return healthcheckCommand(config, { ...options, timeoutMs: timeout });
    }),
  );

bare(
  program,
  "inspect <module>",
  "Read a module without running it: what it requests, what its code can reach, and what admission would refuse.",
)
  .option("--html <file>", "also write the report as one page, to be filed with an approval")
  .option("-c, --config <file>", "also hold it against this configuration: pin, trust and grants")
  .action(
    act<InspectOptions>(async (options, module = "") => {
      const { inspectCommand } = await import("./cli/inspect.ts");
      return inspectCommand(module, options);
    }),
  );

bare(
  program,
  "diff <old> <new>",
  "Say what authority a new module has more or less than an old one; 1 where it has more.",
).action(
  act<{ json: boolean }>(async (options, old = "", now = "") => {
    const { diffCommand } = await import("./cli/diff.ts");
    return diffCommand(old, now, options);
  }),
);

const key = program.command("key").description("Make and list software keys.").addHelpText("after", EXITS);
command(
  key,
  "init [name]",
  "Make a key that never was; without a name, the active one. Nothing is ever overwritten.",
)
  .option("--scheme <text>", "for a key that its provider makes: how, as the provider's page says")
  .option(
    "--import <file>",
    "for a key that its provider makes: from 32 bytes, as hexadecimal digits in a file of mode 0600",
  )
  .option("--escrow <file>", "as --import, of bytes made now and written to this new file first")
  .action(
    act<Common & KeyInitOptions>(async ({ config, ...options }, name) => {
      const { keyInitCommand } = await import("./cli/key.ts");
      return keyInitCommand(config, name, options);
    }),
  );
command(key, "list", "List the keystore keys with their fingerprints.").action(
  act<Common>(async ({ config, json }) => {
    const { keyListCommand } = await import("./cli/key.ts");
    return keyListCommand(config, { json });
  }),
);

const VERIFY_EXAMPLES = `
Examples:
  kleidi audit verify --key audit.pub /var/log/kleidi/audit.jsonl*
  kleidi audit verify --key audit.pub --checkpoints kept.jsonl --json /var/log/kleidi/audit.jsonl*`;
const EXPORT_EXAMPLES = `
Examples:
  kleidi audit export /var/log/kleidi/audit.jsonl* > kept.jsonl
  kleidi audit export --format c2sp --origin example.com/kleidi/node-1 --sign audit.key /var/log/kleidi/audit.jsonl* > kept.note`;

const audit = program
  .command("audit")
  .description("Look at an audit log (docs/audit.md).")
  .addHelpText("after", EXITS);
bare(
  audit,
  "verify <file...>",
  "Say whether a log is what was written, or where it was changed first. All its files, in any order.",
)
  .option(
    "--key <public>",
    "the public key of checkpoints, or a file that has it; may be repeated",
    several,
    [],
  )
  .option("--checkpoints <file>", 'what "kleidi audit export" gave before; may be repeated', several, [])
  .option("--note <file>", "a signed note over the log, with the format c2sp; may be repeated", several, [])
  .option("--note-key <public>", "the public key of notes, if it is not one of --key", several, [])
  .addHelpText("after", VERIFY_EXAMPLES)
  .action(
    act<AuditVerifyOptions, [string[]]>(async (options, files) => {
      const { auditVerifyCommand } = await import("./cli/audit-verify.ts");
      return auditVerifyCommand(files, options);
    }),
  );
bare(audit, "query <file...>", "Print the records that are asked for, one on a line.")
  .option("--uid <uid>", "of the API server's request with this uid")
  .option("--provider <name>", "of this provider")
  .option("--capability <name>", "of this capability, as net or keystore")
  .option("--decision <word>", "allowed, denied or refused")
  .option("--rpc <name>", "status, encrypt or decrypt")
  .option("--kind <kind>", "of this kind, as rpc or host_call")
  .option("--since <time>", "not before this time in UTC, as 2026-01-31 or 2026-01-31T10:30")
  .option("--until <time>", "not after it; a day is in to its end")
  .action(
    act<AuditQueryOptions, [string[]]>(async (options, files) => {
      const { auditQueryCommand } = await import("./cli/audit-query.ts");
      return auditQueryCommand(files, options);
    }),
  );
bare(audit, "tail <file>", "Print the last records and follow the log until interrupted.")
  .option("-n, --lines <count>", "how many of those that are there", lineCount, 10)
  .action(
    act<AuditTailOptions, [string]>(async (options, file) => {
      const { auditTailCommand } = await import("./cli/audit-tail.ts");
      return auditTailCommand(file, options);
    }),
  );
bare(
  audit,
  "export <file...>",
  'Print the checkpoints alone, or a signed note over the log, to be kept elsewhere for "kleidi audit verify".',
)
  .option("--format <name>", "lines, c2sp (a signed note) or c2sp-witness (a request to a witness)", "lines")
  .option("--origin <name>", "for a note: the log's name in all the world, as example.com/kleidi/node-1")
  .option("--sign <file>", "for a note: the private key that signs it")
  .option("--key <public>", "for a note: the public key of checkpoints, if it is not the same", several, [])
  .option("--after <note>", "for a note: the one before, from which the log must go on")
  .addHelpText("after", EXPORT_EXAMPLES)
  .action(
    act<AuditExportOptions & { json: boolean }, [string[]]>(async (options, files) => {
      const { auditExportCommand } = await import("./cli/audit-export.ts");
      return auditExportCommand(files, options);
    }),
  );
bare(
  audit,
  "key <file>",
  "Make a key for checkpoints and print its public key. Nothing is ever overwritten.",
).action(
  act<{ json: boolean }, [string]>(async (options, file) => {
    const { auditKeyCommand } = await import("./cli/audit-key.ts");
    return auditKeyCommand(file, options);
  }),
);

// "kleidi … | head" ends when its reader does.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(EXIT.GOOD);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.GOOD : EXIT.USAGE;
}
