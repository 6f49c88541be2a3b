/** The needs of providers, for `kleidi doctor`. */
import type { Capability, Need } from "../capabilities/capability.ts";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { admitProvider } from "./providers.ts";

/**
 * The needs that the manifests of providers list for one capability, by provider.
 *
 * @returns no entry for a provider whose module is not admitted: `check` reports the reason
 */
export function needsOf(config: Config, { name }: Capability): ReadonlyMap<string, readonly Need[]> {
  return new Map(
    config.providers.flatMap((provider): [string, readonly Need[]][] => {
      try {
        const { needs = [] } = admitProvider(config, provider).manifest;
        return [[provider.name, needs.filter(({ capability }) => capability === name)]];
      } catch (error) {
        if (!(error instanceof KleidiError)) throw error;
        return [];
      }
    }),
  );
}
