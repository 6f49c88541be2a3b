/** The schema of `credential`: the host's identity at an origin. Secrets are files, named by their paths. */
import * as z from "zod";
import { field } from "../../../schema/field.ts";
import { METHODS, SCHEMAS } from "./methods.ts";

type Known = (typeof METHODS)[number];

/** The settings of one login method, with its kind. */
export type CredentialConfig = {
  [Kind in Known["kind"]]: { kind: Kind } & NonNullable<z.output<Extract<Known, { kind: Kind }>["schema"]>>;
}[Known["kind"]];

export const credential = field(
  z
    .strictObject(SCHEMAS)
    .refine((kinds) => Object.values(kinds).filter((kind) => kind !== undefined).length === 1)
    .transform((kinds): CredentialConfig => {
      const [only] = Object.entries(kinds);
      if (only === undefined) throw new TypeError("a credential without a kind");
      const [kind, config] = only;
      return { kind, ...config } as CredentialConfig;
    })
    .exactOptional(),
  {
    expected: `a mapping with one of the keys ${METHODS.map(({ kind }) => kind).join(", ")}`,
    meaning: "The host's identity at the origin. The provider never sees it.",
    example: "{ vault: { auth: token, file: /etc/kleidi/vault-token } }",
    absent: "no credential, but the certificate of `tls` if it has one",
    keywords: { minProperties: 1, maxProperties: 1 },
  },
);
