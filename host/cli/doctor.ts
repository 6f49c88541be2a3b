/** kleidi doctor: runs the checks of `kleidi check`, then examines each TPM, the path to each origin, and the API server. */
import { checkConfigured } from "../checks/configured.ts";
import { EXAMINED, examineCapabilities } from "../checks/examined.ts";
import { useKeys } from "../checks/keys.ts";
import { loadConfig } from "../config/load.ts";
import { becomeServingUser } from "../runtime/serving-user.ts";
import type { CheckOptions } from "./check.ts";
import { type ClusterOptions, clusterFindings } from "./doctor-cluster.ts";
import { report } from "./output.ts";

/**
 * @throws KleidiError config-invalid
 * @throws UsageError, an option cannot be used
 */
export async function doctorCommand(
  configPath: string,
  { live, json, ...options }: CheckOptions & ClusterOptions,
): Promise<number> {
  // Root alone may read the API server's files.
  const asCaller = loadConfig(configPath);
  const cluster = await clusterFindings(asCaller, options);
  const findings = becomeServingUser(asCaller);
  const config = loadConfig(configPath);
  findings.push(...(await checkConfigured(config, EXAMINED)));
  if (live && findings.every(({ ok }) => ok)) findings.push(...(await useKeys(config)));
  findings.push(...(await examineCapabilities(config)), ...cluster);
  return report(findings, json);
}
