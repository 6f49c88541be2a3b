/** Opens the capabilities that the configuration grants. */
import type { OpenContext, Opened } from "../capabilities/capability.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config } from "../config/config.ts";
import type { Logger } from "../telemetry/log.ts";
import { grantsOf } from "./grants.ts";

export type OpenCapabilities = Readonly<Record<string, Opened>>;

/** Imports the modules of the granted capabilities. `openCapabilities` does so too, but then nothing else goes on. */
export async function loadCapabilities(config: Config): Promise<void> {
  const granted = CAPABILITIES.filter((each) => grantsOf(config, each).grants.size > 0);
  await Promise.all(granted.map((each) => each.load?.()));
}

/**
 * @returns each capability that at least one provider has, by name
 * @throws KleidiError of a capability: a file that it needs is missing or not intact. Nothing is left open
 */
export async function openCapabilities(
  config: Config,
  log: Logger,
  events: Pick<OpenContext, "onCredential" | "onCredentialUses" | "onExpiry" | "onLine">,
): Promise<OpenCapabilities> {
  const linesPerCall = new Map(config.providers.map(({ name, limits }) => [name, limits.logLines]));
  const opened: Record<string, Opened> = {};
  try {
    for (const capability of CAPABILITIES) {
      const granted = grantsOf(config, capability);
      if (capability.open === undefined || (capability.grant !== undefined && granted.grants.size === 0))
        continue;
      opened[capability.name] = await capability.open({
        ...granted,
        linesPerCall,
        log: (level, fields, message) => log[level](fields, message),
        ...events,
      });
    }
    return opened;
  } catch (error) {
    await closeCapabilities(opened);
    throw error;
  }
}

export async function closeCapabilities(capabilities: OpenCapabilities): Promise<void> {
  await Promise.all(Object.values(capabilities).map((each) => each.close?.()));
}
