/** The part of kleidi doctor that looks at the API server: its EncryptionConfiguration, its metrics, and the keys of its objects. */
import { realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { ServiceError } from "@grpc/grpc-js";
import { ApiClient } from "../cluster/api-client.ts";
import { ClusterFault } from "../cluster/cluster-fault.ts";
import { countObjects, metricsOf } from "../cluster/count.ts";
import { countFindings } from "../cluster/count-findings.ts";
import { type EncryptionExamination, examineEncryptionConfig } from "../cluster/encryption-config.ts";
import { hashOf, type KnownKeys, usageFindings } from "../cluster/key-usage.ts";
import type { Plugin } from "../cluster/kms-provider.ts";
import { readKubeconfig } from "../cluster/kubeconfig.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "../finding.ts";
import { KmsClient } from "../grpc/client.ts";
import { FileFault, readRegular } from "../lib/files.ts";
import { fetchStateReport } from "../runtime/fetch-state.ts";
import { UsageError } from "./usage-error.ts";

const MAX_BYTES = 1 << 20;

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
  const bytes = readRegular(file, MAX_BYTES);
  if (bytes instanceof FileFault) throw new UsageError(`Cannot read ${file}: it ${bytes.text}`);
  const examined = examineEncryptionConfig(bytes.toString(), file, statSync(file).mode, pluginOf(config));
  const hash = hashOf(bytes);
  bytes.fill(0); // it may contain keys
  if (kubeconfig.length === 0) return [...examined.findings];
  const { keys, findings } = await runningKeys(config);
  const servers = [];
  for (const path of kubeconfig) servers.push(...(await serverFindings(path, examined, hash, keys, count)));
  return [...examined.findings, ...findings, ...servers];
}

export function pluginOf({ listen, providers }: Config): Plugin {
  const own = realPath(listen.socket);
  return {
    socket: listen.socket,
    deadlineMs: Math.max(...providers.map(({ limits }) => limits.deadlineMs)),
    isSocket: (path) => realPath(resolve(path)) === own,
  };
}

/** Follows the links of the folder: /var/run is a link to /run. The socket need not exist. */
function realPath(path: string): string {
  try {
    return join(realpathSync(dirname(path)), path.slice(dirname(path).length));
  } catch {
    return path;
  }
}

/** Asks the running host for its active key_id and, on the admin page, for the hashes of all. */
async function runningKeys(config: Config): Promise<{ keys: KnownKeys; findings: Finding[] }> {
  const subject = "running host";
  const client = new KmsClient(config.listen.socket);
  const names = await keyNames(config);
  try {
    return { keys: { active: (await client.status()).keyId, names }, findings: [] };
  } catch (error) {
    const { details } = error as ServiceError;
    const detail = `its active key is unknown, and older keys cannot be told from it: ${details}`;
    const hint = "Start the host, and run this as a user who may use its socket.";
    return { keys: { active: undefined, names }, findings: [{ subject, ok: false, detail, hint }] };
  } finally {
    client.close();
  }
}

async function keyNames({ admin }: Config): Promise<Map<string, string>> {
  if (admin === undefined) return new Map();
  try {
    const keys = (await fetchStateReport(admin))?.keys ?? [];
    return new Map(
      keys.flatMap(({ name, key_id_sha256: hash }) => (hash === undefined ? [] : [[hash, name]])),
    );
  } catch {
    return new Map(); // check reports it
  }
}

async function serverFindings(
  path: string,
  { names, resources }: EncryptionExamination,
  fileHash: string,
  keys: KnownKeys,
  count: boolean,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  let subject = `API server of ${path}`;
  let client: ApiClient | undefined;
  try {
    client = new ApiClient(readKubeconfig(path));
    subject = `API server ${client.server}`;
    findings.push(...usageFindings(subject, await metricsOf(client), names, fileHash, keys));
    const countable = resources.filter((each) => !each.includes("*"));
    if (count && countable.length > 0)
      findings.push(...countFindings(subject, countable, await countObjects(client, countable, names), keys));
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
