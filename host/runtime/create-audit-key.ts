/** Creates the key for checkpoints under the lock of its folder, and removes unfinished files of killed processes. */
import type { KeyObject } from "node:crypto";
import { basename, dirname } from "node:path";
import { createKey } from "../audit/key-file.ts";
import { folderFault, lockFolder } from "../capabilities/files.ts";
import { KleidiError } from "../error.ts";
import { removeLeftovers } from "../lib/write-files.ts";

const STAGED = /^[0-9a-f]{12}\.new$/;

/** @throws KleidiError audit-invalid, key-locked */
export function createAuditKey(file: string): KeyObject {
  const folder = dirname(file);
  // createKey reports a missing folder.
  if (folderFault(folder) !== undefined) return createKey(file);
  const action = `Cannot create the audit key ${file}`;
  const release = lockFolder(
    folder,
    action,
    (_why, what, cause) => new KleidiError("audit-invalid/lock", `${action}: ${what}`, cause),
  );
  try {
    // The names of createKey for unfinished files: a private key in one of them never signed anything.
    const stem = `${basename(file)}.`;
    removeLeftovers(folder, (name) => name.startsWith(stem) && STAGED.test(name.slice(stem.length)));
    return createKey(file);
  } finally {
    release();
  }
}
