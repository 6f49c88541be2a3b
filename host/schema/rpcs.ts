/** The schema of `rpcs`, a key of every grant. */
import * as z from "zod";
import { field, nearestOf } from "./field.ts";

const RPCS = ["status", "encrypt", "decrypt"] as const;

/** The key that restricts a grant to some RPCs. Call it once per grant: each schema has one place. */
export const rpcs = () =>
  field(
    z
      .array(
        field(z.enum(RPCS), {
          expected: "status, encrypt or decrypt",
          meaning: "An RPC.",
          example: "encrypt",
          suggest: nearestOf(RPCS),
        }),
      )
      .min(1)
      .max(RPCS.length)
      .exactOptional(),
    {
      expected: "a list of status, encrypt and decrypt",
      meaning: "The RPCs in which the provider may use the grant.",
      example: "[encrypt, decrypt]",
      absent: "every RPC for which the module's manifest requests it",
    },
  );
