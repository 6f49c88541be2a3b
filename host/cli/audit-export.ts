/** kleidi audit export: checkpoints, to be kept where those who can write the log cannot write. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { exportCheckpoints } from "../audit/export.ts";
import { loadKey } from "../audit/key-file.ts";
import { isOrigin, signNote, type TreeHead, verifierKey } from "../audit/note.ts";
import type { Verdict } from "../audit/verdict.ts";
import { verify } from "../audit/verify.ts";
import { witnessRequest } from "../audit/witness.ts";
import { escapeForTerminal } from "../lib/text.ts";
import { logFiles, noteOf, publicKeyOf } from "./audit-files.ts";
import { LineWriter } from "./line-writer.ts";
import { EXIT } from "./output.ts";
import { UsageError } from "./usage-error.ts";

const FORMATS = ["lines", "c2sp", "c2sp-witness"] as const;

export interface AuditExportOptions {
  readonly format: string;
  readonly origin?: string;
  readonly sign?: string;
  readonly key: readonly string[];
  readonly after?: string;
}

export function auditExportCommand(given: readonly string[], options: AuditExportOptions): number {
  const { format } = options;
  if (!(FORMATS as readonly string[]).includes(format))
    throw new UsageError(`Cannot use --format ${format}: it should be one of ${FORMATS.join(", ")}`);
  const { files } = logFiles(given);
  return format === "lines" ? exportLines(files) : exportNote(files, options);
}

function exportLines(files: readonly string[]): number {
  const out = new LineWriter();
  const count = exportCheckpoints(files, (line) => out.write(escapeForTerminal(line)));
  out.flush();
  process.stderr.write(`${count} checkpoints\n`);
  return count > 0 ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

/** Signs the tree up to the last checkpoint; only of a log that verify says is good, and that goes on from the note before. */
function exportNote(files: readonly string[], options: AuditExportOptions): number {
  const { format, origin = "", sign = "" } = options;
  if (!isOrigin(origin) || sign === "")
    throw new UsageError(
      `Cannot use --format ${format}: give --origin, as example.com/kleidi/node-1 (1 to 255 printable ASCII characters without spaces and plus signs), and --sign, the file of the private key`,
    );
  const privateKey = loadKey(sign);
  const publicKey = createPublicKey(privateKey);
  const keys = options.key.length === 0 ? [publicKey] : options.key.map(publicKeyOf);
  const before = options.after === undefined ? undefined : noteBefore(options.after, origin, publicKey);
  const notes = before === undefined ? [] : [before];
  const { tree, ...verdict } = verify(files, { keys, tree: true, notes });
  const why = whyNot(verdict);
  if (why !== undefined || tree === undefined) {
    process.stderr.write(
      `${escapeForTerminal(`Cannot sign the log: ${why ?? "it has no checkpoint yet"}`)}\n`,
    );
    return EXIT.PROBLEMS;
  }
  const head = { origin, ...tree };
  const note = signNote(head, privateKey);
  const text = format === "c2sp" ? note : witnessRequest(files, before?.size ?? 0, head, note);
  process.stdout.write(text);
  process.stderr.write(
    `Signed the first ${head.size} lines. The verifier key is ${verifierKey(origin, publicKey)}\n`,
  );
  return EXIT.SUCCESS;
}

function noteBefore(file: string, origin: string, publicKey: KeyObject): TreeHead {
  const head = noteOf(file, [publicKey]);
  if (head.origin !== origin)
    throw new UsageError(`Cannot go on from the note ${file}: its origin is ${head.origin}, not ${origin}`);
  return head;
}

function whyNot({ fault, gaps, first }: Omit<Verdict, "tree">): string | undefined {
  if (fault !== undefined) return `${fault.what}: ${fault.file}:${fault.line}: ${fault.why}`;
  if (gaps.length === 0 && first === 1) return undefined;
  return "a note is over all lines from the sequence 1 on, and some are missing in the files that are given";
}
