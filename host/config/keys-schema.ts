/** The schema of `keys`: the keyset. A key is one of a provider, or composed of other keys. */
import * as z from "zod";
import { FOREIGN_NAMES, type ForeignName } from "../foreign.ts";
import { field, KEY_NAME, keyName, nearestOf, normalizeName } from "../schema/field.ts";

/** The name of a setting. */
const SETTING = /^[A-Za-z][A-Za-z0-9]{0,31}$/;

const USES = ["active", "decrypt", "member"] as const;

/** A list of members. */
const members = () =>
  z
    .array(
      field(keyName(), {
        expected: KEY_NAME,
        meaning: "Another key of `keys`, with `use: member`.",
        example: "vault-kek",
        suggest: normalizeName,
      }),
    )
    .min(2)
    .max(4)
    .exactOptional();

interface WrittenKey {
  name: string;
  use: (typeof USES)[number];
  provider?: string;
  anyOf?: string[];
  allOf?: string[];
  version?: string;
  foreign?: ForeignName;
  settings?: Record<string, string>;
}
interface SimpleKey extends Omit<WrittenKey, "anyOf" | "allOf"> {
  provider: string;
  members?: undefined;
}
interface ComposedKey {
  name: string;
  use: "active" | "decrypt";
  mode: "anyOf" | "allOf";
  members: string[];
  provider?: undefined;
  version?: undefined;
  foreign?: undefined;
  settings?: undefined;
}

/** The rules refuse a key that is neither of a provider nor composed, and a composed member. */
function parsed({ anyOf, allOf, ...key }: WrittenKey): SimpleKey | ComposedKey {
  const composed = anyOf ?? allOf;
  if (composed === undefined) return { ...key, provider: key.provider ?? "" };
  return {
    name: key.name,
    use: key.use === "active" ? "active" : "decrypt",
    mode: anyOf === undefined ? "allOf" : "anyOf",
    members: composed,
  };
}

const key = field(
  z
    .strictObject({
      name: field(keyName(), {
        expected: KEY_NAME,
        meaning: "The key's name. The key_id that Kubernetes stores is derived from it: never reuse a name.",
        example: "kek-2026",
        suggest: normalizeName,
      }),
      provider: field(z.string().exactOptional(), {
        expected: "the name of a provider",
        meaning: "The provider that has the key.",
        example: "local",
        absent: "the key is composed: it has `anyOf` or `allOf`",
      }),
      anyOf: field(members(), {
        expected: "a list of 2 to 4 names of other keys",
        meaning: "Composes the key of other keys, each of which alone decrypts.",
        example: "[vault-kek, tpm-kek]",
        absent: "the key has a provider, or `allOf`",
      }),
      allOf: field(members(), {
        expected: "a list of 2 to 4 names of other keys",
        meaning: "Composes the key of other keys, which decrypt together only.",
        example: "[vault-kek, local-kek]",
        absent: "the key has a provider, or `anyOf`",
      }),
      use: field(z.enum(USES), {
        expected: "active, decrypt or member",
        meaning:
          "`active` encrypts and decrypts, and exactly one key is; `decrypt` only decrypts; `member` encrypts and decrypts only as a part of another key, and still decrypts the objects that it encrypted alone.",
        example: "active",
        suggest: nearestOf(USES),
      }),
      version: field(
        z
          .string()
          .regex(/^[\x21-\x7e]{1,128}$/)
          .exactOptional(),
        {
          expected: "1 to 128 printable ASCII characters without a space",
          meaning: "A pin: the version that the provider must report for the key.",
          example: "<the version that the provider reports>",
          absent: "any version",
        },
      ),
      foreign: field(z.enum(FOREIGN_NAMES).exactOptional(), {
        expected: `one of ${FOREIGN_NAMES.join(", ")}`,
        meaning:
          "The other KMS plugin that encrypted with this key: its objects decrypt, as long as they are not rewritten ([foreign-formats.md](foreign-formats.md)). Only with `use: decrypt`.",
        example: "vault-kubernetes-kms",
        absent: "a key of kleidí",
        suggest: nearestOf(FOREIGN_NAMES),
      }),
      settings: field(
        z
          .record(
            z.string(),
            field(z.string().regex(/^[\x20-\x7e]{1,256}$/), {
              expected: "1 to 256 printable ASCII characters",
              meaning: "A setting of the provider. Its page lists them.",
              example: "transit",
            }),
          )
          .refine((all) => Object.keys(all).length <= 16)
          .refine((all) => Object.keys(all).every((name) => SETTING.test(name)))
          .exactOptional(),
        {
          expected: "a mapping of at most 16 names of letters and digits to text",
          meaning:
            "The provider's settings that locate the key in its KMS. They are passed to the provider: never put a secret here.",
          example: "{ mount: transit, key: kek }",
          absent: "none",
          keywords: { maxProperties: 16, propertyNames: { pattern: SETTING.source } },
        },
      ),
    })
    .transform(parsed),
  {
    expected: "a mapping with the keys name, provider and use",
    meaning: "One key.",
    example: "{ name: kek-2026, provider: local, use: active }",
    keywords: { oneOf: ["provider", "anyOf", "allOf"].map((name) => ({ required: [name] })) },
  },
);

export const keys = field(z.array(key).min(1).max(64), {
  expected: "a list of 1 to 64 keys",
  meaning: "The keyset: one key that encrypts, and the keys that older objects still need.",
  example: "[{ name: kek-2026, provider: local, use: active }]",
});
