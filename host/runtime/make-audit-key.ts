/** Creates the key for checkpoints under the lock of its folder, and removes unfinished files of killed processes. */
import type { KeyObject } from "node:crypto";
import { basename, dirname } from "node:path";
import { makeKey } from "../audit/key-file.ts";
import { folderFault, lockFolder } from "../capabilities/files.ts";
import { KleidiError } from "../error.ts";
import { removeLeftovers } from "../lib/write-files.ts";

const STAGED = /^[0-9a-f]{12}\.new$/;

/** @throws KleidiError audit-invalid, key-locked */
export function makeAuditKey(file: string): KeyObject {
  const folder = dirname(file);
  // makeKey reports a missing folder.
  if (folderFault(folder) !== undefined) return makeKey(file);
  const action = `Cannot make the audit key ${file}`;
  const release = lockFolder(
    folder,
    action,
    (what, cause) => new KleidiError("audit-invalid", `${action}: ${what}`, cause),
  );
  try {
    // The names of makeKey for unfinished files: a private key in one of them never signed anything.
    const stem = `${basename(file)}.`;
    removeLeftovers(folder, (name) => name.startsWith(stem) && STAGED.test(name.slice(stem.length)));
    return makeKey(file);
  } finally {
    release();
  }
}
