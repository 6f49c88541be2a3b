/** The schemas of `grants.keystore` and of the section `keystore`. */
import * as z from "zod";
import { field, KEY_NAME, keyName, normalizeName, path } from "../../schema/field.ts";
import { rpcs } from "../../schema/rpcs.ts";

/** A list of keystore keys for one use. */
const names = () =>
  z
    .array(
      field(keyName(), {
        expected: KEY_NAME,
        meaning: "A key of this provider in `keys`.",
        example: "kek-2026",
        suggest: normalizeName,
      }),
    )
    .min(1)
    .max(64)
    .exactOptional();

export const GRANT = field(
  z
    .strictObject({
      keys: field(names(), {
        expected: "a list of 1 to 64 names of keystore keys",
        meaning: "The keystore keys that the provider may seal and open with.",
        example: "[kek-2026]",
        absent: "no key; then there are `passphrases`",
      }),
      passphrases: field(names(), {
        expected: "a list of 1 to 64 names of keystore keys",
        meaning:
          "The keystore keys whose text is a passphrase, from which the provider may have the keys of single OpenPGP messages.",
        example: "[kek-2026]",
        absent: "no passphrase",
      }),
      rpcs: rpcs(),
    })
    .refine(({ keys, passphrases }) => keys !== undefined || passphrases !== undefined)
    .transform(({ keys = [], ...keystore }) => ({ ...keystore, keys }))
    .exactOptional(),
  {
    expected: "a mapping with keys, passphrases or both",
    meaning: "Lets the provider use keystore keys. It never sees their bytes.",
    example: "{ keys: [kek-2026] }",
    absent: "no keystore key",
    keywords: { anyOf: [{ required: ["keys"] }, { required: ["passphrases"] }] },
  },
);

export const SECTION = field(
  z
    .strictObject({
      directory: field(path(), {
        expected: "the path of a folder",
        meaning: "The folder of the key files.",
        example: "/var/lib/kleidi/keys",
      }),
    })
    .exactOptional(),
  {
    expected: "a mapping with the key directory",
    meaning: "The keys that providers use by name and never see. Required if one is granted.",
    example: "{ directory: /var/lib/kleidi/keys }",
    absent: "no keystore",
  },
);

export type KeystoreGrant = NonNullable<z.output<typeof GRANT>>;
export type KeystoreSection = NonNullable<z.output<typeof SECTION>>;
/** The lists of a keystore grant: a name in one of them is for that use only. */
export type Use = "keys" | "passphrases";

/** The lists of a KeystoreGrant, which may be frozen. */
interface GrantedNames {
  readonly keys: readonly string[];
  readonly passphrases?: readonly string[];
}

/** The lists that these operations need; `info` alone works with either. */
export function usesOf(operations: readonly string[]): Use[] {
  const uses: Use[] = [];
  if (operations.includes("seal") || operations.includes("open")) uses.push("keys");
  if (operations.includes("s2k")) uses.push("passphrases");
  return uses;
}

/**
 * The names of all keystore keys that are granted, as keys or as passphrases.
 * @example namesOf({ keys: ["a"], passphrases: ["b"] }) // ["a", "b"]
 */
export function namesOf({ keys, passphrases = [] }: GrantedNames): string[] {
  return [...keys, ...passphrases];
}
