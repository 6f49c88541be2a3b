/** The examinations of capabilities, which contact each TPM and each server. */
import type { Capability, StartNative } from "../capabilities/capability.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "../finding.ts";
import { grantsOf } from "../runtime/grants.ts";
import { wallOf } from "../runtime/wall.ts";
import { listVersions } from "./keys.ts";
import { needsFor, providerNeeds } from "./needs.ts";

/** The capabilities that have an examination. */
export const EXAMINED: ReadonlySet<Capability> = new Set(
  CAPABILITIES.filter(({ examine }) => examine !== undefined),
);

/** Examines the objects that the grants name; if they are usable, the keys of the providers that use them are listed. */
export async function examineCapabilities(config: Config): Promise<Finding[]> {
  const needs = providerNeeds(config);
  const findings: Finding[] = [];
  const startNative: StartNative = async (...native) => (await wallOf(config)).startNative(...native);
  for (const capability of EXAMINED) {
    const context = { ...grantsOf(config, capability), needs: needsFor(capability.name, needs), startNative };
    for (const examined of (await capability.examine?.(context)) ?? []) {
      findings.push(...examined.findings);
      const provider = config.providers.find(({ name }) => name === examined.provider);
      if (provider !== undefined && examined.findings.every(({ ok }) => ok))
        findings.push(...(await listVersions(config, provider, `${capability.name} ${provider.name}`)));
    }
  }
  return findings;
}
