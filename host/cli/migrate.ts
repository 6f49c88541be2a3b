/** kleidi migrate: rewrites the objects of the encrypted resources through the API server, then proves that none is left under an older key. */
import { ClusterFault } from "../cluster/cluster-fault.ts";
import { loadConfig } from "../config/load.ts";
import type { Finding } from "../finding.ts";
import { readEncryptionFile, runningKeys } from "./cluster-context.ts";
import type { EtcdSource } from "./etcd-source.ts";
import type { Migration } from "./migration.ts";
import { PositionFile } from "./migration-position.ts";
import { etcdFindings, proofFindings, statusOfServers } from "./migration-proof.ts";
import { rewrite } from "./migration-run.ts";
import { report } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface MigrateOptions {
  /** The path of the kubeconfig. */
  readonly kubeconfig: string;
  /** Addresses of further API servers, "https://10.0.0.2:6443". */
  readonly server: readonly string[];
  /** The path of the EncryptionConfiguration. */
  readonly encryptionConfig?: string;
  /** "secrets", "deployments.apps"; empty: those of the EncryptionConfiguration, or secrets. */
  readonly resource: readonly string[];
  /** Requests at the same time, 1 to 8. */
  readonly workers: number;
  /** The path of the file that keeps the position. */
  readonly position?: string;
  readonly dryRun: boolean;
  /** The etcd to read at the end: its endpoint, and the files of its TLS. */
  readonly etcd?: string;
  readonly etcdCacert?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly json: boolean;
}

/**
 * @throws KleidiError config-invalid
 * @throws UsageError an option cannot be used
 */
export async function migrateCommand(configPath: string, options: MigrateOptions): Promise<number> {
  const config = loadConfig(configPath);
  const { encryptionConfig: file, json } = options;
  const encryption = file === undefined ? undefined : readEncryptionFile(file, config);
  const { keys, findings } = await runningKeys(config);
  const faults = [...(encryption?.findings ?? []), ...findings].filter(({ ok }) => !ok);
  // Without the active key nothing could tell whether an object is current.
  if (faults.length > 0) return report(faults, json);
  const { resources, skipped } = resourcesOf(options.resource, encryption?.resources);
  const abort = new AbortController();
  const stop = () => abort.abort(new Error("it was interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  const migration = {
    kubeconfig: options.kubeconfig,
    servers: [undefined, ...options.server],
    resources,
    names: encryption?.names,
    keys,
    workers: options.workers,
    etcd: etcdOf(options),
    signal: abort.signal,
  };
  return report([...skipped, ...(await migrate(migration, options))], json);
}

async function migrate(migration: Migration, { dryRun, position }: MigrateOptions): Promise<Finding[]> {
  try {
    const status = await statusOfServers(migration);
    // An API server that writes with an older key would rewrite the objects under it.
    if (status.some(({ ok }) => !ok)) return status;
    const passes = dryRun ? [] : await rewrite(migration, new PositionFile(position));
    if (passes.some(({ ok }) => !ok)) return [...status, ...passes];
    return [...status, ...passes, ...(await proofFindings(migration)), ...(await etcdFindings(migration))];
  } catch (error) {
    if (migration.signal.aborted)
      return [{ subject: "migration", ok: false, detail: "it was interrupted before the proof ended" }];
    if (!(error instanceof ClusterFault)) throw error;
    return [{ subject: "API server", ok: false, detail: error.message, hint: error.remedy }];
  }
}

function etcdOf({ etcd, etcdCacert, etcdCert, etcdKey }: MigrateOptions): EtcdSource | undefined {
  if (etcd !== undefined)
    return { source: etcd, prefix: "/registry", cacert: etcdCacert, cert: etcdCert, key: etcdKey };
  if ([etcdCacert, etcdCert, etcdKey].every((file) => file === undefined)) return undefined;
  throw new UsageError("Cannot read etcd: --etcd-cacert, --etcd-cert and --etcd-key need --etcd");
}

/** @throws UsageError no resource can be migrated */
function resourcesOf(
  named: readonly string[],
  configured: readonly string[] | undefined,
): { resources: readonly string[]; skipped: Finding[] } {
  const wildcard = named.find((each) => each.includes("*"));
  if (wildcard !== undefined)
    throw new UsageError(`Cannot migrate ${wildcard}: name each resource, such as --resource secrets`);
  if (named.length > 0) return { resources: [...new Set(named)], skipped: [] };
  if (configured === undefined) return { resources: ["secrets"], skipped: [] };
  const resources = configured.filter((each) => !each.includes("*"));
  const wildcards = configured.filter((each) => each.includes("*"));
  if (resources.length === 0)
    throw new UsageError(
      `Cannot migrate ${wildcards.join(", ")}: a wildcard names no resource; give each with --resource`,
    );
  return { resources, skipped: wildcards.map(skippedFinding) };
}

function skippedFinding(wildcard: string): Finding {
  return {
    subject: wildcard,
    ok: true,
    warning: true,
    detail: "the resources of a wildcard are not migrated",
    hint: "Name each with --resource.",
  };
}
