/** kleidi audit export: prints checkpoints or a signed note, to be kept where a writer of the log cannot change them. */
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

/**
 * @param paths the files of one log, in any order
 * @throws UsageError, the files or options cannot be used; KleidiError, the private key cannot be loaded
 */
export function auditExportCommand(paths: readonly string[], options: AuditExportOptions): number {
  const { format } = options;
  if (!(FORMATS as readonly string[]).includes(format))
    throw new UsageError(`Cannot use --format ${format}: expected one of ${FORMATS.join(", ")}`);
  const { files } = logFiles(paths);
  return format === "lines" ? exportLines(files) : exportNote(files, options);
}

function exportLines(files: readonly string[]): number {
  const out = new LineWriter();
  const count = exportCheckpoints(files, (line) => out.write(escapeForTerminal(line)));
  out.flush();
  process.stderr.write(`${count} checkpoints\n`);
  return count > 0 ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

/** Signs the tree up to the last checkpoint. Refuses a log with a fault, and one that does not continue the previous note. */
function exportNote(files: readonly string[], options: AuditExportOptions): number {
  const { format, origin = "", sign = "" } = options;
  if (!isOrigin(origin) || sign === "")
    throw new UsageError(
      `Cannot use --format ${format}: give --origin, for example example.com/kleidi/node-1 (1 to 255 printable ASCII characters without spaces and plus signs), and --sign, the file of the private key`,
    );
  const privateKey = loadKey(sign);
  const publicKey = createPublicKey(privateKey);
  const keys = options.key.length === 0 ? [publicKey] : options.key.map(publicKeyOf);
  const previous = options.after === undefined ? undefined : previousNote(options.after, origin, publicKey);
  const notes = previous === undefined ? [] : [previous];
  const { tree, ...verdict } = verify(files, { keys, tree: true, notes });
  const reason = refusalReason(verdict);
  if (reason !== undefined || tree === undefined) {
    process.stderr.write(
      `${escapeForTerminal(`Cannot sign the log: ${reason ?? "it has no checkpoint yet"}`)}\n`,
    );
    return EXIT.PROBLEMS;
  }
  const head = { origin, ...tree };
  const note = signNote(head, privateKey);
  const text = format === "c2sp" ? note : witnessRequest(files, previous?.size ?? 0, head, note);
  process.stdout.write(text);
  process.stderr.write(
    `Signed the first ${head.size} lines. The verifier key is ${verifierKey(origin, publicKey)}\n`,
  );
  return EXIT.SUCCESS;
}

function previousNote(file: string, origin: string, publicKey: KeyObject): TreeHead {
  const head = noteOf(file, [publicKey]);
  if (head.origin !== origin)
    throw new UsageError(
      `Cannot continue from the note ${file}: its origin is ${head.origin}, not ${origin}`,
    );
  return head;
}

/** @returns the reason why a log is not signed; undefined for a complete log without a fault */
function refusalReason({ fault, gaps, first }: Omit<Verdict, "tree">): string | undefined {
  if (fault !== undefined) return `${fault.kind}: ${fault.file}:${fault.line}: ${fault.why}`;
  if (gaps.length === 0 && first === 1) return undefined;
  return "a note covers all lines from sequence 1, and the given files lack some of them";
}
