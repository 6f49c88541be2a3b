/** The schema of `keys`: the keyset. */
import { z } from "zod";
import { FOREIGN_NAMES } from "../foreign.ts";
import { field, KEY_NAME, keyName, nearestOf, normalizeName } from "../schema/field.ts";

/** The name of a setting. */
const SETTING = /^[A-Za-z][A-Za-z0-9]{0,31}$/;

const key = field(
  z.strictObject({
    name: field(keyName(), {
      expected: KEY_NAME,
      meaning: "The key's name. The key_id that Kubernetes stores is derived from it: never reuse a name.",
      example: "kek-2026",
      suggest: normalizeName,
    }),
    provider: field(z.string(), {
      expected: "the name of a provider",
      meaning: "The provider that has the key.",
      example: "local",
    }),
    use: field(z.enum(["active", "decrypt"]), {
      expected: "active or decrypt",
      meaning: "`active` encrypts and decrypts, and exactly one key is; `decrypt` only decrypts.",
      example: "active",
      suggest: nearestOf(["active", "decrypt"]),
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
  }),
  {
    expected: "a mapping with the keys name, provider and use",
    meaning: "One key.",
    example: "{ name: kek-2026, provider: local, use: active }",
  },
);

export const keys = field(z.array(key).min(1).max(64), {
  expected: "a list of 1 to 64 keys",
  meaning: "The keyset: one key that encrypts, and the keys that older objects still need.",
  example: "[{ name: kek-2026, provider: local, use: active }]",
});
