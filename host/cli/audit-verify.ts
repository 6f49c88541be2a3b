/** kleidi audit verify: whether a log is what was written, and if not, where it was changed first. */
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

export function auditVerifyCommand(given: readonly string[], options: AuditVerifyOptions): number {
  const { files, bytes } = logFiles(given);
  const keys = options.key.map(publicKeyOf);
  const exported = exportedOf(options.checkpoints, keys);
  const notes = notesOf(options, keys);
  const bar = progress(bytes);
  const { tree: _, unheld, ...verdict } = verify(files, { keys, exported, notes, onRead: bar.add });
  bar.end();
  if (verdict.fault === undefined && unheld > 0)
    throw new UsageError(
      `Cannot hold the log against ${unheld} of the notes: a note is over all lines from the sequence 1 on, and some are missing in the files that are given`,
    );
  // An emptied file has no fault to be seen in it, and is no proof of anything.
  const good = verdict.fault === undefined && verdict.gaps.length === 0 && verdict.lines > 0;
  const said = [...verdict.notes, ...unproved(verdict, keys.length > 0, exported.length + notes.length > 0)];
  if (options.json) print(JSON.stringify({ ok: good, ...verdict, notes: said }, null, 2));
  else {
    const [first = "", ...others] = linesOf(verdict, said).map(escapeForTerminal);
    print(`${good ? styled("green", "ok  ") : styled("red", "FAIL")} ${first}`);
    for (const line of others) print(`     ${line}`);
  }
  return good ? EXIT.SUCCESS : EXIT.PROBLEMS;
}

function exportedOf(files: readonly string[], keys: Keys): ExportedCheckpoint[] {
  for (const file of files) assertRegular(file);
  const read = readable(files.join(", "), () => readCheckpoints(files));
  if (!Array.isArray(read))
    throw new UsageError(`Cannot use ${read.file}: its line ${read.line} is no exported checkpoint`);
  if (keys.length === 0) return read;
  const forged = read.find(
    ({ chain, seq, prev, time, signature }) =>
      !keys.some((key) => isSigned(key, { chain, seq: seq - 1, hash: prev }, time, signature)),
  );
  if (forged !== undefined)
    throw new UsageError(
      `Cannot use the exported checkpoint with the sequence ${forged.seq}: no key that is given signed it`,
    );
  return read;
}

/** A note says nothing before one of its signatures was verified. */
function notesOf({ note, noteKey }: AuditVerifyOptions, keys: Keys): TreeHead[] {
  const own = noteKey.length === 0 ? keys : noteKey.map(publicKeyOf);
  if (note.length > 0 && own.length === 0)
    throw new UsageError(
      "Cannot use --note without the key that signed it: give --note-key, or --key if it is the same",
    );
  return note.map((file) => noteOf(file, own));
}

type Said = Omit<Verdict, "tree" | "unheld">;

function linesOf(verdict: Said, notes: readonly string[]): string[] {
  const { fault, gaps, first, intactTo, lines } = verdict;
  const range = intactTo === undefined ? "no line" : `the sequences ${first} to ${intactTo}`;
  return [
    ...(fault === undefined
      ? [
          lines === 0
            ? "empty: there is no line, and a log begins with one"
            : `intact: ${range}, ${lines} lines${checkpointOf(verdict)}`,
        ]
      : [
          `${fault.what}: ${fault.file}:${fault.line}: ${fault.why}`,
          `Intact is ${range}${checkpointOf(verdict)}.`,
        ]),
    ...gaps.map(
      ({ file, line, from, to, error }) =>
        `${file}:${line}: the host could not write the sequences ${from} to ${to} here (${error}); another sink has them.`,
    ),
    ...notes,
  ];
}

function checkpointOf({ checkpoint }: Said): string {
  return checkpoint === undefined ? "" : `, the last checkpoint at ${checkpoint.seq} (${checkpoint.time})`;
}

/** What an intact log does not prove. */
function unproved(verdict: Said, withKeys: boolean, withExported: boolean): string[] {
  const { checkpoint, checkpoints, intactTo, fault } = verdict;
  if (fault !== undefined || intactTo === undefined) return [];
  if (checkpoint === undefined)
    return [
      "There is no checkpoint: whoever can write the file could have written all of it anew. Configure audit.checkpoints.",
    ];
  const unsigned = intactTo - checkpoint.seq;
  return [
    ...(withKeys ? [] : [`The signatures of ${checkpoints} checkpoints were not checked: give --key.`]),
    ...(unsigned === 0 ? [] : [`The last ${unsigned} lines are not signed yet.`]),
    ...(withExported
      ? []
      : [
          "That lines were cut off at the end shows only with checkpoints that were exported before: --checkpoints, --note.",
        ]),
  ];
}

function styled(colour: "green" | "red", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}
