/** kleidi audit verify: reports whether a log is intact; if not, names the first changed line. */
import { styleText } from "node:util";
import { isSigned } from "../audit/checkpoint.ts";
import { type ExportedCheckpoint, readCheckpoints } from "../audit/export.ts";
import type { TreeHead } from "../audit/note.ts";
import type { Verdict } from "../audit/verdict.ts";
import { verify } from "../audit/verify.ts";
import { escapeForTerminal } from "../lib/text.ts";
import { assertRegular, logFiles, noteOf, publicKeyOf, readable } from "./audit-files.ts";
import { EXIT, print } from "./output.ts";
import { progress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

export interface AuditVerifyOptions {
  readonly json: boolean;
  readonly key: readonly string[];
  readonly checkpoints: readonly string[];
  readonly note: readonly string[];
  readonly noteKey: readonly string[];
}

type Keys = ReturnType<typeof publicKeyOf>[];

/**
 * @param paths the files of one log, in any order
 * @throws UsageError, the files, keys, checkpoints or notes cannot be used
 */
export function auditVerifyCommand(paths: readonly string[], options: AuditVerifyOptions): number {
  const { files, bytes } = logFiles(paths);
  const keys = options.key.map(publicKeyOf);
  const exported = exportedOf(options.checkpoints, keys);
  const notes = notesOf(options, keys);
  const bar = progress(bytes);
  const { tree: _, uncompared, ...verdict } = verify(files, { keys, exported, notes, onRead: bar.add });
  bar.end();
  if (verdict.fault === undefined && uncompared > 0)
    throw new UsageError(
      `Cannot compare the log with ${uncompared} of the notes: a note covers all lines from sequence 1, and the given files lack some of them`,
    );
  // An empty file has no visible fault and proves nothing.
  const isIntact = verdict.fault === undefined && verdict.gaps.length === 0 && verdict.lines > 0;
  const remarks = [
    ...verdict.notes,
    ...unprovenBy(verdict, keys.length > 0, exported.length + notes.length > 0),
  ];
  if (options.json) print(JSON.stringify({ ok: isIntact, ...verdict, notes: remarks }, null, 2));
  else {
    const [first = "", ...others] = linesOf(verdict, remarks).map(escapeForTerminal);
    print(`${isIntact ? styled("green", "ok  ") : styled("red", "FAIL")} ${first}`);
    for (const line of others) print(`     ${line}`);
  }
  return isIntact ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

function exportedOf(files: readonly string[], keys: Keys): ExportedCheckpoint[] {
  for (const file of files) assertRegular(file);
  const read = readable(files.join(", "), () => readCheckpoints(files));
  if (!Array.isArray(read))
    throw new UsageError(`Cannot use ${read.file}: its line ${read.line} is not an exported checkpoint`);
  if (keys.length === 0) return read;
  const forged = read.find(
    ({ chain, seq, prev, time, signature }) =>
      !keys.some((key) => isSigned(key, { chain, seq: seq - 1, hash: prev }, time, signature)),
  );
  if (forged !== undefined)
    throw new UsageError(
      `Cannot use the exported checkpoint with the sequence ${forged.seq}: none of the given keys signed it`,
    );
  return read;
}

/** Reads the notes and verifies a signature of each: an unverified note proves nothing. */
function notesOf({ note, noteKey }: AuditVerifyOptions, keys: Keys): TreeHead[] {
  const own = noteKey.length === 0 ? keys : noteKey.map(publicKeyOf);
  if (note.length > 0 && own.length === 0)
    throw new UsageError(
      "Cannot use --note without the key that signed it: give --note-key, or --key if it is the same",
    );
  return note.map((file) => noteOf(file, own));
}

type LogVerdict = Omit<Verdict, "tree" | "uncompared">;

function linesOf(verdict: LogVerdict, notes: readonly string[]): string[] {
  const { fault, gaps, first, intactTo, lines } = verdict;
  const range = intactTo === undefined ? "no line" : `sequences ${first} to ${intactTo}`;
  return [
    ...(fault === undefined
      ? [
          lines === 0
            ? "empty: the log has no line, and every log begins with one"
            : `intact: ${range}, ${lines} lines${checkpointOf(verdict)}`,
        ]
      : [
          `${fault.kind}: ${fault.file}:${fault.line}: ${fault.why}`,
          `Intact: ${range}${checkpointOf(verdict)}.`,
        ]),
    ...gaps.map(
      ({ file, line, from, to, error }) =>
        `${file}:${line}: the host could not write the sequences ${from} to ${to} here (${error}); another sink has them.`,
    ),
    ...notes,
  ];
}

function checkpointOf({ checkpoint }: LogVerdict): string {
  return checkpoint === undefined ? "" : `, last checkpoint at ${checkpoint.seq} (${checkpoint.time})`;
}

/** The limits of the proof: attacks that the verification of an intact log did not exclude. */
function unprovenBy(verdict: LogVerdict, withKeys: boolean, withExported: boolean): string[] {
  const { checkpoint, checkpoints, intactTo, fault } = verdict;
  if (fault !== undefined || intactTo === undefined) return [];
  if (checkpoint === undefined)
    return [
      "There is no checkpoint: anyone who can write the file can rewrite the whole log. Configure audit.checkpoints.",
    ];
  const unsigned = intactTo - checkpoint.seq;
  return [
    ...(withKeys ? [] : [`The signatures of ${checkpoints} checkpoints were not checked: give --key.`]),
    ...(unsigned === 0 ? [] : [`The last ${unsigned} lines are not signed yet.`]),
    ...(withExported
      ? []
      : [
          "Only checkpoints that were exported before (--checkpoints, --note) show that lines were cut off at the end.",
        ]),
  ];
}

function styled(colour: "green" | "red", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}
