/** The commands under "kleidi audit": rows of the table in host/main.ts. */
import type { AuditExportOptions } from "./audit-export.ts";
import type { AuditQueryOptions } from "./audit-query.ts";
import type { AuditTailOptions } from "./audit-tail.ts";
import type { AuditVerifyOptions } from "./audit-verify.ts";
import type { Command, Option } from "./command.ts";

const JSON_OBJECT: Option = {
  flags: "--json",
  about: "print one JSON object instead of text",
  default: false,
};
const JSON_LINES: Option = {
  flags: "--json",
  about: "print the records as in the log, one JSON object per line",
  default: false,
};

export const AUDIT_COMMANDS: readonly Command[] = [
  {
    name: "audit verify",
    arguments: "<file...>",
    summary: "Verify that a log is intact, or find its first changed line. Give all its files, in any order.",
    options: [
      {
        flags: "--key <public>",
        about: "the public key of the checkpoints, or a file that contains it",
        repeated: true,
      },
      {
        flags: "--checkpoints <file>",
        about: 'a file of checkpoints, printed before by "kleidi audit export"',
        repeated: true,
      },
      { flags: "--note <file>", about: "a signed note of the log, in the format c2sp", repeated: true },
      {
        flags: "--note-key <public>",
        about: "the public key of the notes, if it is not one of --key",
        repeated: true,
      },
      JSON_OBJECT,
    ],
    examples: [
      {
        does: "Verify a rotated log and the signatures in it",
        line: "kleidi audit verify --key audit.pub /var/log/kleidi/audit.jsonl*",
      },
      {
        does: "Also detect whether the end was cut off",
        line: "kleidi audit verify --key audit.pub --checkpoints kept.jsonl --json /var/log/kleidi/audit.jsonl*",
      },
    ],
    run: async (options: AuditVerifyOptions, files: string[]) =>
      (await import("./audit-verify.ts")).auditVerifyCommand(files, options),
  },
  {
    name: "audit query",
    arguments: "<file...>",
    summary: "Print the records that match every option, one per line.",
    options: [
      { flags: "--uid <uid>", about: "the uid of the API server's request" },
      { flags: "--provider <name>", about: "the provider" },
      { flags: "--capability <name>", about: "the capability: net, keystore, …" },
      { flags: "--decision <word>", about: "allowed, denied or refused" },
      { flags: "--rpc <name>", about: "status, encrypt or decrypt" },
      { flags: "--kind <kind>", about: "the kind of record: rpc, host_call, …" },
      { flags: "--since <time>", about: "from this time in UTC: 2026-01-31 or 2026-01-31T10:30" },
      { flags: "--until <time>", about: "up to this time; a day ends at midnight" },
      JSON_LINES,
    ],
    examples: [
      {
        does: "Print every denied host call of a day",
        line: "kleidi audit query --kind host_call --decision denied --since 2026-01-31 --until 2026-01-31 /var/log/kleidi/audit.jsonl*",
      },
      {
        does: "Count the network requests of one provider",
        line: "kleidi audit query --provider vault --capability net --json /var/log/kleidi/audit.jsonl* | wc -l",
      },
    ],
    run: async (options: AuditQueryOptions, files: string[]) =>
      (await import("./audit-query.ts")).auditQueryCommand(files, options),
  },
  {
    name: "audit tail",
    arguments: "<file>",
    summary: "Print the last records and follow the log until interrupted.",
    options: [
      {
        flags: "-n, --lines <count>",
        about: "the number of last records to print",
        integer: [0, 10_000],
        default: 10,
      },
      JSON_LINES,
    ],
    examples: [
      { does: "Follow the log", line: "kleidi audit tail /var/log/kleidi/audit.jsonl" },
      {
        does: "Print only new records, as JSON",
        line: "kleidi audit tail --lines 0 --json /var/log/kleidi/audit.jsonl",
      },
    ],
    run: async (options: AuditTailOptions, file: string) =>
      (await import("./audit-tail.ts")).auditTailCommand(file, options),
  },
  {
    name: "audit export",
    arguments: "<file...>",
    summary:
      'Print the checkpoints, or a signed note of the log. Keep them on another machine for "kleidi audit verify".',
    options: [
      {
        flags: "--format <name>",
        about: "lines, c2sp (a signed note) or c2sp-witness (a request to a witness)",
        default: "lines",
      },
      {
        flags: "--origin <name>",
        about: "for a note: a globally unique name of the log, for example example.com/kleidi/node-1",
      },
      { flags: "--sign <file>", about: "for a note: the private key that signs it" },
      {
        flags: "--key <public>",
        about: "for a note: the public key of the checkpoints, if it differs from --sign",
        repeated: true,
      },
      { flags: "--after <note>", about: "for a note: the previous note, which the log must continue" },
      { flags: "--json", about: "print a failure as one JSON object instead of text", default: false },
    ],
    examples: [
      {
        does: "Keep the checkpoints",
        line: "kleidi audit export /var/log/kleidi/audit.jsonl* > kept.jsonl",
      },
      {
        does: "Sign a note of the log",
        line: "kleidi audit export --format c2sp --origin example.com/kleidi/node-1 --sign audit.key /var/log/kleidi/audit.jsonl* > kept.note",
      },
    ],
    run: async (options: AuditExportOptions, files: string[]) =>
      (await import("./audit-export.ts")).auditExportCommand(files, options),
  },
  {
    name: "audit key",
    arguments: "<file>",
    summary: "Create a key for checkpoints and print its public key. Never overwrites a file.",
    options: [JSON_OBJECT],
    examples: [
      {
        does: "Create the key and store its public key, to be kept on another machine",
        line: "kleidi audit key /etc/kleidi/audit.key > audit.pub",
      },
    ],
    run: async (options: { json: boolean }, file: string) =>
      (await import("./audit-key.ts")).auditKeyCommand(file, options),
  },
];
