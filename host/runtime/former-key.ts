/** A key that existed before its bytes are imported again: the version and the scheme that the new record must have. */
import type { StateDirectory } from "../capabilities/state/directory.ts";
import type { KeyConfig } from "../config/config.ts";
import { KleidiError } from "../error.ts";

export interface FormerKey {
  readonly version: string;
  /** Absent: it is not recorded, and the operator names it. */
  readonly scheme?: string | undefined;
  /** The source of `version`, as the subject of a sentence. */
  readonly source: string;
}

/**
 * Finds the version that an import must have: the configuration's pin, or the one that the record names (docs/ABI.md, kleidi:state).
 * @returns undefined if the key was never created here and no version is pinned
 * @throws KleidiError key-exists: the key was created, and no version is known
 */
export function findFormerKey(records: StateDirectory, { name, version }: KeyConfig): FormerKey | undefined {
  const { text, lost } = readText(records, name);
  const recorded = text === undefined ? undefined : lineOf(text, "version");
  const scheme = text === undefined ? undefined : lineOf(text, "scheme");
  if (version !== undefined) return { version, scheme, source: "the configuration pins" };
  if (recorded !== undefined) return { version: recorded, scheme, source: "its record has" };
  if (text === undefined && lost === undefined) return undefined;
  throw new KleidiError(
    "key-exists/version",
    `Cannot import key "${name}": it was created before, and its version is not known, so the bytes cannot be compared; write the version that "key init" printed into the configuration, as version: of the key`,
    lost,
  );
}

/** @returns the record as text, or the fault of a record that existed */
function readText(records: StateDirectory, name: string): { text?: string | undefined; lost?: unknown } {
  try {
    const value = records.get(name);
    return { text: value === undefined ? undefined : Buffer.from(value).toString("latin1") };
  } catch (lost) {
    return { lost };
  }
}

function lineOf(text: string, name: string): string | undefined {
  return new RegExp(`^${name}: ([\\x20-\\x7e]{1,128})$`, "m").exec(text)?.[1];
}
