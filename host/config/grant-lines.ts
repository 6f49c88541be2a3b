/** What to write to grant a capability, for errors that say so. */
import type { Config } from "./config.ts";
import { fieldOf, schemaAt } from "./shape.ts";

/** One line of YAML under `grants:` of this provider, with the names of its own keys where names are granted. */
export function grantLine(
  config: Config,
  provider: string,
  capability: string,
  operations: readonly string[],
): string {
  const names = config.keys.filter((key) => key.provider === provider).map(({ name }) => name);
  if (capability === "keystore") {
    // A name is granted for one use only.
    const use = operations.includes("s2k") ? "passphrases" : "keys";
    return `keystore: { ${use}: [${names.join(", ")}] }`;
  }
  if (capability === "state") return `state: { names: [${names.join(", ")}] }`;
  const schema = schemaAt(["providers", provider, "grants", capability]);
  return `${capability}: ${schema === undefined ? "{}" : fieldOf(schema).example}`;
}
