/** kleidi doctor: runs the checks of `kleidi check`, then examines each TPM, the path to each origin, and the API server. */
import type { Capability, ExamineContext } from "../capabilities/capability.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { type Finding, finding } from "../finding.ts";
import { checkStatusReply } from "../kms/check-reply.ts";
import { grantsOf } from "../runtime/grants.ts";
import { needsOf } from "../runtime/needs.ts";
import { keysetOf, Providers } from "../runtime/providers.ts";
import { createLog } from "../telemetry/log.ts";
import { checkAll } from "./check.ts";
import { type ClusterOptions, clusterFindings } from "./doctor-cluster.ts";
import { report } from "./output.ts";

/**
 * @param options.live also start the providers and use the keys
 * @throws KleidiError config-invalid
 * @throws UsageError, an option cannot be used
 */
export async function doctorCommand(
  configPath: string,
  options: ClusterOptions & { live: boolean; json: boolean },
): Promise<number> {
  const config = loadConfig(configPath);
  const cluster = await clusterFindings(config, options);
  const examined = new Set(CAPABILITIES.filter(({ examine }) => examine !== undefined));
  const findings = await checkAll(config, { ...options, examined });
  for (const capability of examined) {
    for (const each of (await capability.examine?.(contextOf(config, capability))) ?? []) {
      findings.push(...each.findings);
      const provider = config.providers.find(({ name }) => name === each.provider);
      if (provider !== undefined && each.findings.every(({ ok }) => ok))
        findings.push(...(await keysOf(config, provider, `${capability.name} ${provider.name}`)));
    }
  }
  return report([...findings, ...cluster], options.json);
}

function contextOf(config: Config, capability: Capability): ExamineContext {
  return { ...grantsOf(config, capability), needs: needsOf(config, capability) };
}

/** Asks a provider for the status of its keys, in a sandbox of its own. */
async function keysOf(config: Config, provider: ProviderConfig, where: string): Promise<Finding[]> {
  const keys = config.keys.filter((key) => key.provider === provider.name);
  const alone = { ...config, providers: [provider], keys };
  const findings: Finding[] = [];
  try {
    const providers = await Providers.open(alone, createLog({ level: "error" }));
    try {
      await providers.start();
      for (const key of keysetOf(alone, providers).keys) {
        const what = `${where} key ${key.name}`;
        try {
          const versions = await key.provider.status(key.name);
          checkStatusReply(provider.name, versions);
          const older = versions.olderVersions.length;
          findings.push({ what, ok: true, detail: `version ${versions.version}, ${older} older versions` });
        } catch (error) {
          findings.push(finding(what, error));
        }
      }
    } finally {
      await providers.close();
    }
  } catch (error) {
    findings.push(finding(where, error));
  }
  return findings;
}
