/** One command at a time changes the keys of a configuration, and removes what a killed one left. */
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { LockFault, takeLock } from "../lib/lock.ts";
import { isStagingOf, removeLeftovers } from "../lib/write-files.ts";
import { type HistoryPlace, placeOf, tidyHistory } from "./history.ts";

const LOCK_WAIT_MS = 5_000;

/** Removes unfinished files. The caller holds the lock. */
export function tidy(config: Config): void {
  const place = placeOf(config);
  tidyHistory(place);
  for (const each of new Set([config.file, place.config]))
    removeLeftovers(dirname(each), isStagingOf([basename(each)]));
}

/**
 * Locks the configuration for changes of its keys.
 * @returns releases the lock
 * @throws KleidiError key-locked; history-invalid; key-change-refused, this user cannot keep the owner of the configuration
 */
export function lockKeys({ file, config }: HistoryPlace): () => void {
  assertKeepsOwner(config);
  const name = `.${basename(file)}.lock`;
  try {
    return takeLock(join(dirname(file), name), LOCK_WAIT_MS);
  } catch (error) {
    if (!(error instanceof LockFault)) throw error;
    const code = error.isBusy ? "key-locked" : "history-invalid/unreadable";
    throw new KleidiError(code, `Cannot change the keys: the lock ${name} ${error.message}`, error);
  }
}

function assertKeepsOwner(path: string): void {
  const { uid } = statSync(path);
  const own = process.geteuid?.() ?? 0;
  if (own === 0 || own === uid) return;
  throw new KleidiError(
    "key-change-refused/owner",
    `Cannot change the keys: ${path} belongs to the uid ${uid}, and a command of the uid ${own} cannot write a file that belongs to it`,
  );
}
