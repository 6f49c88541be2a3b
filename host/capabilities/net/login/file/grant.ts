/** The schema of `credential.file`: a token that another program keeps fresh. */
import * as z from "zod";
import { field } from "../../../../schema/field.ts";
import { file, header, scheme } from "../fields.ts";

export const SCHEMA = field(
  z
    .strictObject({
      file: file("The token, read again when it changes.", "/etc/kleidi/token"),
      header: header(),
      scheme: scheme(),
    })
    .exactOptional(),
  {
    expected: "a mapping with the keys file and header",
    meaning: "A token from a file, which something else keeps fresh.",
    example: "{ file: /etc/kleidi/token, header: authorization, scheme: Bearer }",
    absent: "another credential",
  },
);

export type FileConfig = NonNullable<z.output<typeof SCHEMA>>;
