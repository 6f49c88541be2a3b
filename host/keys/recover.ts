/** Continues the history of the keys after a loss. */
import { basename, dirname } from "node:path";
import { loadConfig } from "../config/load.ts";
import { isStagingOf, removeLeftovers, replaceAs, statOf } from "../lib/write-files.ts";
import { lockKeys, tidy } from "./exclusive.ts";
import { appendHistory, placeOf, readHistory, readText } from "./history.ts";
import { usesOf } from "./reconcile.ts";

export interface Loss {
  /** A sentence without its full stop. */
  readonly fault: string;
  /** The new name of a damaged file. */
  readonly aside?: string;
  readonly former: readonly string[];
}

/**
 * Begins again from the configuration after a loss, and records it. Records that can be read stay.
 * @param former names that may have been used before
 * @returns undefined if the history has no fault
 * @throws KleidiError config-invalid, history-invalid, key-locked
 */
export function recoverHistory(configPath: string, former: readonly string[]): Loss | undefined {
  const config = loadConfig(configPath);
  const place = placeOf(config);
  const release = lockKeys(place);
  try {
    tidy(config);
    const history = readHistory(place);
    if (history.fault === undefined) return undefined;
    const aside = statOf(place.file) === undefined ? undefined : `${place.file}.${history.last}.aside`;
    // A copy: if this process is killed, the file is still there.
    if (aside !== undefined) removeLeftovers(dirname(aside), isStagingOf([basename(aside)]));
    if (aside !== undefined) replaceAs(aside, readText(place.file), place.config);
    const lost = history.fault;
    appendHistory(history, [{ event: "recover", keys: usesOf(config), former, lost }], Date.now());
    return { fault: lost, former, ...(aside === undefined ? {} : { aside }) };
  } finally {
    release();
  }
}
