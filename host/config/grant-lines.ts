/** What to write to grant a capability, for errors that say so. */
import type { Config } from "./config.ts";
import { fieldOf, schemaAt } from "./shape.ts";

/** One line of YAML under `grants:` of this provider, with the names of its own keys where names are granted. */
export function grantLine(config: Config, provider: string, capability: string): string {
  if (capability === "keystore") {
    const names = config.keys.filter((key) => key.provider === provider).map(({ name }) => name);
    return `keystore: { keys: [${names.join(", ")}] }`;
  }
  const schema = schemaAt(["providers", provider, "grants", capability]);
  return `${capability}: ${schema === undefined ? "{}" : fieldOf(schema).example}`;
}
