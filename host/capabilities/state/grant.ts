/** The schemas of `grants.state` and of the section `state`. */
import * as z from "zod";
import { field, KEY_NAME, keyName, normalizeName, path } from "../../schema/field.ts";
import { rpcs } from "../../schema/rpcs.ts";

export const GRANT = field(
  z
    .strictObject({
      names: field(
        z
          .array(
            field(keyName(), {
              expected: KEY_NAME,
              meaning: "A record, which no other provider is granted.",
              example: "kek-2026",
              suggest: normalizeName,
            }),
          )
          .min(1)
          .max(64),
        {
          expected: "a list of 1 to 64 names of records",
          meaning: "The records that the provider may read, and make while `kleidi key init` runs.",
          example: "[kek-2026]",
        },
      ),
      rpcs: rpcs(),
    })
    .exactOptional(),
  {
    expected: "a mapping with the key names",
    meaning: "Lets the provider keep small records, such as wrapped keys.",
    example: "{ names: [kek-2026] }",
    absent: "no record",
  },
);

export const SECTION = field(
  z
    .strictObject({
      directory: field(path(), {
        expected: "the path of a folder",
        meaning: "The folder of the records.",
        example: "/var/lib/kleidi/state",
      }),
    })
    .exactOptional(),
  {
    expected: "a mapping with the key directory",
    meaning: "The records that providers keep. Required if one is granted.",
    example: "{ directory: /var/lib/kleidi/state }",
    absent: "no records",
  },
);

export type StateGrant = NonNullable<z.output<typeof GRANT>>;
export type StateSection = NonNullable<z.output<typeof SECTION>>;
