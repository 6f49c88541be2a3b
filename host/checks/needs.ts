/** The needs of providers, for `kleidi doctor`. */
import type { Need } from "../capabilities/capability.ts";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { admitProvider } from "../runtime/providers.ts";

/** One need of a provider's manifest, for one capability. */
export interface ProviderNeed extends Need {
  readonly provider: string;
  readonly capability: string;
}

/**
 * Reads the needs that the manifests of all providers list.
 *
 * @returns nothing of a provider whose module is not admitted: `check` reports the reason
 */
export function providerNeeds(config: Config): ProviderNeed[] {
  return config.providers.flatMap((provider) => {
    try {
      const { needs = [] } = admitProvider(config, provider).manifest;
      return needs.map((need) => ({ provider: provider.name, ...need }));
    } catch (error) {
      if (!(error instanceof KleidiError)) throw error;
      return [];
    }
  });
}

/** The needs for one capability, by provider. */
export function needsFor(
  capability: string,
  needs: readonly ProviderNeed[],
): ReadonlyMap<string, readonly Need[]> {
  return Map.groupBy(
    needs.filter((need) => need.capability === capability),
    ({ provider }) => provider,
  );
}
