/** The part of kleidi doctor that looks at the API server: its EncryptionConfiguration, its metrics, and the keys of its objects. */
import { ApiClient } from "../cluster/api-client.ts";
import { ClusterFault } from "../cluster/cluster-fault.ts";
import { countObjects, metricsOf } from "../cluster/count.ts";
import { countFindings } from "../cluster/count-findings.ts";
import { type KnownKeys, usageFindings } from "../cluster/key-usage.ts";
import { readKubeconfig } from "../cluster/kubeconfig.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "../finding.ts";
import { type EncryptionFile, readEncryptionFile, runningKeys } from "./cluster-context.ts";
import { UsageError } from "./usage-error.ts";

export interface ClusterOptions {
  /** The path of the EncryptionConfiguration. */
  readonly encryptionConfig?: string;
  /** The paths of kubeconfigs, one for each API server. */
  readonly kubeconfig: readonly string[];
  readonly count: boolean;
}

/** @throws UsageError, the options do not belong together, or the file cannot be read */
export async function clusterFindings(config: Config, options: ClusterOptions): Promise<Finding[]> {
  const { encryptionConfig: file, kubeconfig, count } = options;
  if (count && kubeconfig.length === 0)
    throw new UsageError("Cannot count objects: --count needs --kubeconfig");
  if (file === undefined) {
    if (kubeconfig.length === 0) return [];
    throw new UsageError("Cannot compare an API server: --kubeconfig needs --encryption-config");
  }
  const examined = readEncryptionFile(file, config);
  if (kubeconfig.length === 0) return [...examined.findings];
  const { keys, findings } = await runningKeys(config);
  const servers = [];
  for (const path of kubeconfig) servers.push(...(await serverFindings(path, examined, keys, count)));
  return [...examined.findings, ...findings, ...servers];
}

async function serverFindings(
  path: string,
  { names, resources, hash }: EncryptionFile,
  keys: KnownKeys,
  count: boolean,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  let subject = `API server of ${path}`;
  let client: ApiClient | undefined;
  try {
    client = new ApiClient(readKubeconfig(path));
    subject = `API server ${client.server}`;
    findings.push(...usageFindings(subject, await metricsOf(client), names, hash, keys));
    const countable = resources.filter((each) => !each.includes("*"));
    if (count && countable.length > 0)
      findings.push(
        ...countFindings(
          subject,
          countable,
          await countObjects(client, { resources: countable, names }),
          keys,
        ),
      );
    const wildcards = resources.filter((each) => each.includes("*"));
    if (count && wildcards.length > 0) findings.push(uncounted(subject, wildcards));
  } catch (error) {
    if (!(error instanceof ClusterFault)) throw error;
    findings.push({ subject, ok: false, detail: error.message, hint: error.remedy });
  } finally {
    await client?.close();
  }
  return findings;
}

function uncounted(subject: string, wildcards: readonly string[]): Finding {
  const detail = `objects of ${wildcards.join(", ")} are not counted: nothing is known about their keys`;
  return { subject, ok: true, detail };
}
