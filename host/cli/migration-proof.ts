/** The proof of a migration: every object is read once through one API server, and the counters of each API server are compared. */
import { ApiClient } from "../cluster/api-client.ts";
import { countObjects, metricsOf } from "../cluster/count.ts";
import { countFindings } from "../cluster/count-findings.ts";
import { statusFindings } from "../cluster/key-usage.ts";
import { readKubeconfig } from "../cluster/kubeconfig.ts";
import { unusedFindings } from "../cluster/migration-findings.ts";
import type { Sample } from "../cluster/samples.ts";
import { EtcdFault } from "../etcd/etcd-fault.ts";
import { leftFindings } from "../etcd/left-findings.ts";
import type { Finding } from "../finding.ts";
import { scanSource } from "./etcd-source.ts";
import type { Migration } from "./migration.ts";
import { objectBar } from "./migration-run.ts";

/**
 * Compares the key that each API server writes with.
 * @throws ClusterFault an API server does not answer
 */
export async function statusOfServers(migration: Migration): Promise<Finding[]> {
  const { names, keys } = migration;
  return await withServers(migration, async (clients) => {
    const all: Finding[] = [];
    for (const client of clients)
      all.push(...statusFindings(subjectOf(client), await metricsOf(client), names, keys));
    return all;
  });
}

/** @throws ClusterFault an API server does not answer */
export async function proofFindings(migration: Migration): Promise<Finding[]> {
  const { names, keys, resources, signal } = migration;
  return await withServers(migration, async ([reader, ...others]) => {
    if (reader === undefined) return [];
    const before = await all(others, metricsOf);
    const bar = objectBar(resources.join(", "));
    const count = await countObjects(reader, { resources, names, signal, ...bar }).finally(bar.end);
    const after = await all(others, metricsOf);
    const unused = others.map((client, i) =>
      unusedFindings(subjectOf(client), before[i] ?? [], after[i] ?? [], names, keys),
    );
    return [...countFindings(subjectOf(reader), resources, count, keys), ...unused.flat()];
  });
}

/** Reads etcd itself, which needs no trust in counters. */
export async function etcdFindings({ etcd, resources, keys }: Migration): Promise<Finding[]> {
  if (etcd === undefined) return [];
  try {
    const scan = await scanSource(etcd);
    return leftFindings(scan, { source: etcd.source, resources, active: keys.active ?? "" });
  } catch (error) {
    if (!(error instanceof EtcdFault)) throw error;
    return [{ subject: "etcd", ok: false, detail: error.message, hint: error.remedy }];
  }
}

async function withServers<T>(
  { kubeconfig, servers }: Migration,
  use: (clients: readonly ApiClient[]) => Promise<T>,
): Promise<T> {
  const clients: ApiClient[] = [];
  try {
    for (const server of servers) clients.push(new ApiClient(readKubeconfig(kubeconfig, server)));
    return await use(clients);
  } finally {
    for (const client of clients) await client.close();
  }
}

function all(
  clients: readonly ApiClient[],
  read: (client: ApiClient) => Promise<Sample[]>,
): Promise<Sample[][]> {
  return Promise.all(clients.map(read));
}

function subjectOf({ server }: ApiClient): string {
  return `API server ${server}`;
}
