/** The lines of YAML that grant a capability, for the remedies of errors. */
import { capabilityOf } from "../capabilities/registry.ts";
import type { Config } from "./config.ts";

/**
 * Writes the line of YAML under the `grants:` of a provider that grants a capability.
 * @param provider its own keys are the names in the line, if the capability grants names
 * @param operations the operations of the capability that the module requests
 * @example grantLine(config, "local", "keystore", ["seal"]) === "keystore: { keys: [kek] }"
 */
export function grantLine(
  config: Config,
  provider: string,
  capability: string,
  operations: readonly string[],
): string {
  const names = config.keys.filter((key) => key.provider === provider).map(({ name }) => name);
  return capabilityOf(capability)?.grant?.line(names, operations) ?? `${capability}: {}`;
}
