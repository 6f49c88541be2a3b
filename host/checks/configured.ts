/** The checks of a configuration: the modules, the grants, the audit log, the wall, and the host that runs with it. They change nothing. */
import type { Capability } from "../capabilities/capability.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { type Finding, finding, withEnd } from "../finding.ts";
import { trustEnd } from "../module/trust/end.ts";
import { trustLine } from "../module/trust/trust.ts";
import { descriptorFindings } from "../runtime/descriptors.ts";
import { grantsOf } from "../runtime/grants.ts";
import { admitProvider, providerFaults } from "../runtime/providers.ts";
import { reach, surplus } from "../runtime/reach.ts";
import { checkWall } from "../runtime/wall.ts";
import { checkAudit } from "./audit.ts";
import { checkComposition } from "./composed.ts";
import { examineHistory } from "./history.ts";
import { checkPlaces } from "./places.ts";
import { checkRunning } from "./running.ts";

/**
 * Runs all checks that start no provider.
 * @param examined capabilities that the caller examines itself: an examination covers the same files in more detail
 */
export async function checkConfigured(
  config: Config,
  examined: ReadonlySet<Capability> = new Set(),
): Promise<Finding[]> {
  return [
    { subject: "configuration", ok: true, detail: `${config.file} is valid, ${config.keys.length} keys` },
    ...checkComposition(config),
    ...config.providers.flatMap((provider) => checkProvider(config, provider)),
    ...(await checkCapabilities(config, examined)),
    checkAudit(config),
    ...examineHistory(config).findings,
    ...checkPlaces(config),
    await checkWall(config),
    ...descriptorFindings(config),
    ...(await checkRunning(config)),
  ];
}

async function checkCapabilities(config: Config, examined: ReadonlySet<Capability>): Promise<Finding[]> {
  const checked = CAPABILITIES.filter((capability) => !examined.has(capability));
  const found = checked.map(async (each) => (await each.check?.(grantsOf(config, each))) ?? []);
  return (await Promise.all(found)).flat();
}

const RENEW = {
  signature:
    "A host that starts after this day refuses the module. Get a newer signature, or a newer module, from its publisher.",
  key: "A host that starts after this day refuses the module. Have it signed with a newer key, and add that key to trust.keys.",
} as const;

/** Checks the module of a provider, its reach (requested and granted) and its surplus (granted and not requested). */
function checkProvider(config: Config, provider: ProviderConfig): Finding[] {
  const subject = `provider ${provider.name}`;
  try {
    const { manifest, sha256, trusted } = admitProvider(config, provider);
    const module = `${manifest.name} ${manifest.version}, sha256 ${sha256.slice(0, 16)}… as pinned, ${trustLine(trusted)}`;
    const end = trusted && trustEnd(provider.name, trusted);
    return [
      withEnd(
        { subject, ok: true, detail: module },
        end,
        end?.kind === "trust-key" ? RENEW.key : RENEW.signature,
      ),
      ...reach(provider, manifest),
      ...surplus(provider, manifest),
    ];
  } catch (error) {
    const faults = providerFaults(config, provider);
    return (faults.length === 0 ? [error] : faults).map((fault) => finding(subject, fault));
  }
}
