/** kleidi audit key and kleidi audit export: what makes a log that was written anew tell from the one that was. */
import type { KeyObject } from "node:crypto";
import { basename, dirname } from "node:path";
import { keyIdOf, publicLine } from "../audit/checkpoint.ts";
import { exportCheckpoints } from "../audit/export.ts";
import { makeKey } from "../audit/key-file.ts";
import { harmless } from "../audit/render.ts";
import { folderFault, lockFolder, removeLeftovers } from "../broker/files.ts";
import { KleidiError } from "../error.ts";
import { logFiles } from "./audit-files.ts";
import { LineWriter } from "./line-writer.ts";
import { EXIT, print } from "./output.ts";

const STAGED = /^[0-9a-f]{12}\.new$/;

export function auditKeyCommand(file: string, { json }: { readonly json: boolean }): number {
  const publicKey = makeAlone(file);
  const made = { file, id: keyIdOf(publicKey), public: publicLine(publicKey) };
  print(json ? JSON.stringify({ ok: true, ...made }, null, 2) : made.public);
  if (!json)
    process.stderr.write(
      `Made ${file}, the key ${made.id}. The line is its public key: keep it where the log is not, for "kleidi audit verify --key".\n`,
    );
  return EXIT.GOOD;
}

/** While no other process makes a key there, and without what one that was killed left. */
function makeAlone(file: string): KeyObject {
  const folder = dirname(file);
  // A folder that is not there is told of by who makes the key.
  if (folderFault(folder) !== undefined) return makeKey(file);
  const action = `Cannot make the audit key ${file}`;
  const release = lockFolder(
    folder,
    action,
    (what, cause) => new KleidiError("audit-invalid", `${action}: ${what}`, cause),
  );
  try {
    // The names that makeKey gives to what is not finished: a private key there signs nothing.
    const stem = `${basename(file)}.`;
    removeLeftovers(folder, (name) => name.startsWith(stem) && STAGED.test(name.slice(stem.length)));
    return makeKey(file);
  } finally {
    release();
  }
}

export function auditExportCommand(given: readonly string[]): number {
  const { files } = logFiles(given);
  const out = new LineWriter();
  const count = exportCheckpoints(files, (line) => out.write(harmless(line)));
  out.flush();
  process.stderr.write(`${count} checkpoints\n`);
  return count > 0 ? EXIT.GOOD : EXIT.FOUND;
}
