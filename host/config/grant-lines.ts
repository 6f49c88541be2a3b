/** What to write to grant a capability, for errors that say so. */
import { capabilityOf } from "../capabilities/registry.ts";
import type { Config } from "./config.ts";

/** One line of YAML under `grants:` of this provider, with the names of its own keys where names are granted. */
export function grantLine(
  config: Config,
  provider: string,
  capability: string,
  operations: readonly string[],
): string {
  const names = config.keys.filter((key) => key.provider === provider).map(({ name }) => name);
  return capabilityOf(capability)?.grant?.line(names, operations) ?? `${capability}: {}`;
}
