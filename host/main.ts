/** argv to command. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { auditExportCommand, auditKeyCommand } from "./cli/audit-key.ts";
import { type AuditQueryOptions, auditQueryCommand } from "./cli/audit-query.ts";
import { type AuditTailOptions, auditTailCommand } from "./cli/audit-tail.ts";
import { type AuditVerifyOptions, auditVerifyCommand } from "./cli/audit-verify.ts";
import { checkCommand } from "./cli/check.ts";
import { doctorCommand } from "./cli/doctor.ts";
import { healthcheckCommand } from "./cli/healthcheck.ts";
import { type KeyInitOptions, keyInitCommand, keyListCommand } from "./cli/key.ts";
import { EXIT, fail } from "./cli/output.ts";
import { serveCommand } from "./cli/serve.ts";

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
  return parent
    .command(usage)
    .description(description)
    .option("-c, --config <file>", "the configuration", DEFAULT_CONFIG)
    .option("--json", "print one JSON object instead of text", false)
    .addHelpText("after", EXITS);
}

/** What a command says that takes no configuration. */
function plainCommand(parent: Command, usage: string, description: string): Command {
  return parent
    .command(usage)
    .description(description)
    .option("--json", "print JSON instead of text", false)
    .addHelpText("after", EXITS);
}

function act<Options extends { json: boolean }, Argument = string | undefined>(
  work: (options: Options, argument: Argument) => number | Promise<number>,
) {
  return async (...args: unknown[]) => {
    const options = args.at(-2) as Options;
    const argument = (args.length > 2 ? args[0] : undefined) as Argument;
    try {
      process.exitCode = await work(options, argument);
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
).action(act<Common>(({ config }) => serveCommand(config, manifest.version)));
command(program, "check", "Look at the configuration, the modules, their digests and grants, and the keys.")
  .option("--live", "also start the providers and do Status, Encrypt and Decrypt through the sandbox", false)
  .action(act<Common & { live: boolean }>(({ config, ...options }) => checkCommand(config, options)));
command(
  program,
  "doctor",
  "Look at all that check looks at, and at what each TPM of the configuration can do and what is missing.",
)
  .option("--live", "also start the providers and do Status, Encrypt and Decrypt through the sandbox", false)
  .action(act<Common & { live: boolean }>(({ config, ...options }) => doctorCommand(config, options)));
command(program, "healthcheck", "Ask Status over the socket, as the API server does.")
  .option("--socket <path>", "the socket, instead of the configuration's")
  .option("--timeout <ms>", "how long to wait for the answer", milliseconds, 3_000)
  .action(
    act<Common & { socket?: string; timeout: number }>(({ config, timeout, ...options }) =>
      healthcheckCommand(config, { ...options, timeoutMs: timeout }),
    ),
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
    act<Common & KeyInitOptions>(({ config, ...options }, name) => keyInitCommand(config, name, options)),
  );
command(key, "list", "List the keystore keys with their fingerprints.").action(
  act<Common>(({ config, json }) => keyListCommand(config, { json })),
);

const audit = program
  .command("audit")
  .description("Look at an audit log (docs/audit.md).")
  .addHelpText("after", EXITS);
plainCommand(
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
  .action(act<AuditVerifyOptions, string[]>((options, files) => auditVerifyCommand(files, options)));
plainCommand(audit, "query <file...>", "Print the records that are asked for, one on a line.")
  .option("--uid <uid>", "of the API server's request with this uid")
  .option("--provider <name>", "of this provider")
  .option("--capability <name>", "of this capability, as net or keystore")
  .option("--decision <word>", "allowed, denied or refused")
  .option("--rpc <name>", "status, encrypt or decrypt")
  .option("--kind <kind>", "of this kind, as rpc or host_call")
  .option("--since <time>", "not before this time in UTC, as 2026-01-31 or 2026-01-31T10:30")
  .option("--until <time>", "not after it; a day is in to its end")
  .action(act<AuditQueryOptions, string[]>((options, files) => auditQueryCommand(files, options)));
plainCommand(audit, "tail <file>", "Print the last records and follow the log until interrupted.")
  .option("-n, --lines <count>", "how many of those that are there", lineCount, 10)
  .action(act<AuditTailOptions, string>((options, file) => auditTailCommand(file, options)));
plainCommand(
  audit,
  "export <file...>",
  'Print the checkpoints alone, to be kept elsewhere for "kleidi audit verify --checkpoints".',
).action(act<{ json: boolean }, string[]>((_options, files) => auditExportCommand(files)));
plainCommand(
  audit,
  "key <file>",
  "Make a key for checkpoints and print its public key. Nothing is ever overwritten.",
).action(act<{ json: boolean }, string>((options, file) => auditKeyCommand(file, options)));

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
