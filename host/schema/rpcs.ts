/** The shape of `rpcs`, which every grant has. */
import { z } from "zod";
import { field, nearestOf } from "./field.ts";

const RPCS = ["status", "encrypt", "decrypt"] as const;

/** Narrows any grant to some RPCs. */
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
