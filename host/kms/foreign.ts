/**
 * Keys for the objects of another KMS v2 plugin. Their key_ids are the ones that the plugin stored, as the provider reports them; they
 * decrypt only, without associated data and without annotations of a guest.
 */
import { KleidiError } from "../error.ts";
import { FOREIGN_FORMATS, type ForeignName, foreignFormatOf } from "../foreign.ts";
import type { KeyId } from "./key-id.ts";
import { MAX_OLDER_VERSIONS } from "./limits.ts";

interface ForeignKey {
  readonly name: string;
  readonly provider: { readonly name: string };
  readonly foreign: ForeignName;
}

/**
 * Checks the key_ids of a foreign key that its provider reports.
 * @param reported in the reply of Status
 * @returns the key_ids, the newest first; at least one
 * @throws KleidiError key-not-ready if there is none; provider-fault if there are too many, or one is not of the format, or listed twice
 */
export function foreignKeyIds(
  { name, provider, foreign }: ForeignKey,
  reported: readonly string[] = [],
): readonly [KeyId, ...KeyId[]] {
  const [newest, ...older] = reported;
  if (newest === undefined)
    throw new KleidiError(
      "key-not-ready/foreign",
      `Cannot use key "${name}": the module of provider "${provider.name}" does not know the format ${foreign}`,
    );
  const action = `Cannot accept the status of provider "${provider.name}"`;
  if (older.length > MAX_OLDER_VERSIONS)
    throw new KleidiError(
      "provider-fault/reply",
      `${action}: it lists ${reported.length} foreign key ids, at most ${MAX_OLDER_VERSIONS + 1} are allowed`,
    );
  const { keyId } = FOREIGN_FORMATS[foreign];
  if (!reported.every((each) => keyId.test(each)))
    throw new KleidiError("provider-fault/reply", `${action}: a foreign key id is not one of ${foreign}`);
  if (new Set(reported).size !== reported.length)
    throw new KleidiError("provider-fault/reply", `${action}: a foreign key id is listed twice`);
  return [newest as KeyId, ...(older as KeyId[])];
}

/**
 * Checks that an object with the key_id of a foreign key is of its format, too.
 * @param annotations as the API server sends them
 * @throws KleidiError key-unknown
 */
export function assertForeignObject(
  { name, foreign }: ForeignKey,
  keyId: string,
  annotations: Readonly<Record<string, Uint8Array>>,
): void {
  if (foreignFormatOf(keyId, annotations) === foreign) return;
  throw new KleidiError(
    "key-unknown",
    `Cannot decrypt: the object has the key_id of key "${name}", but not the annotations of ${foreign}`,
  );
}
