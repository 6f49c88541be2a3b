/** The part of a configuration that one capability needs. */
import type { Capability, GrantContext } from "../capabilities/capability.ts";
import type { Config } from "../config/config.ts";

/** The grants of one capability, by provider, and its own section of the configuration. */
export function grantsOf(config: Config, { name, section }: Capability): GrantContext {
  return {
    grants: new Map(
      config.providers.flatMap(({ name: provider, grants }) => {
        const grant: unknown = Object.hasOwn(grants, name) ? grants[name as keyof typeof grants] : undefined;
        return grant === undefined ? [] : [[provider, grant]];
      }),
    ),
    section: section && config[name as keyof typeof config],
    pins: new Map(config.keys.flatMap((key) => (key.version === undefined ? [] : [[key.name, key.version]]))),
  };
}
