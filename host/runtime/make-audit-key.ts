/** Makes the key of checkpoints while no other process makes a key in its folder, and without what one that was killed left there. */
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
