/**
 * The schema of the configuration file: one file per section. Every key has its meaning, the values it takes and an
 * example; faults and docs/configuration.md are made from these and therefore agree. rules.ts checks what spans several keys.
 */
import * as z from "zod";
import { SECTIONS } from "../capabilities/registry.ts";
import { field } from "../schema/field.ts";
import { admin } from "./admin-schema.ts";
import { audit } from "./audit-schema.ts";
import { log, reload, sandbox, status } from "./host-schema.ts";
import { keys } from "./keys-schema.ts";
import { listen } from "./listen-schema.ts";
import { providers } from "./provider-schema.ts";
import { trust } from "./trust-schema.ts";

/** The schema of the whole file. Its output has units converted and defaults filled in. */
export const SCHEMA = field(
  z
    .strictObject({
      apiVersion: field(z.literal("kleidi.dev/v1"), {
        expected: "kleidi.dev/v1",
        meaning: "The version of this format.",
        example: "kleidi.dev/v1",
        suggest: () => "kleidi.dev/v1",
      }),
      listen,
      ...SECTIONS,
      trust,
      providers,
      keys,
      sandbox,
      status,
      reload,
      log,
      audit,
      admin,
    })
    .transform(({ apiVersion: _, ...config }) => ({
      ...config,
      providers: config.trust === undefined ? config.providers : config.providers.map(withSignatures),
    })),
  {
    expected: "a mapping with the keys apiVersion, listen, providers and keys",
    meaning: "The configuration file.",
    example: "apiVersion: kleidi.dev/v1",
  },
);

/** Fills in the default of `signatures`: one file beside the module. */
function withSignatures<P extends { module: string; signatures?: string[] }>(provider: P): P {
  return { signatures: [`${provider.module}.minisig`], ...provider };
}
