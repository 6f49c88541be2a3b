/**
 * Counts the objects under each key. A LIST proves nothing: the API server answers it from its cache (by default since Kubernetes 1.31). A GET without
 * a resourceVersion reads etcd and decrypts, and the API server counts it under the object's key. So this reads the metadata of every object
 * once, and compares the counters before and after.
 */
import { isMapping } from "../schema/outline.ts";
import { type ApiClient, METADATA, METADATA_LIST } from "./api-client.ts";
import { ClusterFault } from "./cluster-fault.ts";
import { type KeyReads, readsOf, serverIds, USED_METRICS } from "./key-usage.ts";
import { type Sample, samplesOf } from "./samples.ts";

const PAGE = 500;

export interface Count {
  /** Number of objects that were read. */
  readonly objects: number;
  /** Reads under each key during that time, including those of other clients. */
  readonly reads: readonly KeyReads[];
}

/** @throws ClusterFault */
export async function metricsOf(client: ApiClient): Promise<Sample[]> {
  const text = await client.get("/metrics", "text/plain");
  if (text === undefined)
    throw new ClusterFault(`${client.server} has no /metrics`, "Give the address of an API server.");
  return samplesOf(text, USED_METRICS);
}

/**
 * Reads every object of these resources once.
 * @param resources "secrets", "deployments.apps"; no wildcards
 * @param names the names of the kms providers
 * @throws ClusterFault an object cannot be read, or a load balancer sent the requests to different API servers
 */
export async function countObjects(
  client: ApiClient,
  resources: readonly string[],
  names: readonly string[],
): Promise<Count> {
  const before = await metricsOf(client);
  let objects = 0;
  for (const resource of resources) objects += await readAll(client, await pathOf(client, resource));
  const after = await metricsOf(client);
  if (serverIds(before).join() !== serverIds(after).join())
    throw new ClusterFault(
      "two API servers answered, and each has its own counters",
      "Give the address of one API server, not of a load balancer.",
    );
  const counted = new Map(readsOf(before, names).map(({ hash, count }) => [hash, count]));
  const reads = readsOf(after, names).map(({ hash, count }) => ({
    hash,
    count: count - (counted.get(hash) ?? 0),
  }));
  return { objects, reads: reads.filter(({ count }) => count > 0) };
}

/** @returns the path of a resource: of the core group, or of the preferred version of its group */
async function pathOf(
  client: ApiClient,
  resource: string,
): Promise<{ readonly root: string; readonly name: string }> {
  const dot = resource.indexOf(".");
  if (dot < 0) return { root: "/api/v1", name: resource };
  const group = resource.slice(dot + 1);
  const answer: unknown = JSON.parse((await client.get(`/apis/${encodeURIComponent(group)}`)) ?? "null");
  const version =
    isMapping(answer) && isMapping(answer.preferredVersion) ? answer.preferredVersion.version : undefined;
  if (typeof version !== "string")
    throw new ClusterFault(
      `${client.server} has no group ${group}`,
      "Correct the resource in the encryption config.",
    );
  return {
    root: `/apis/${encodeURIComponent(group)}/${encodeURIComponent(version)}`,
    name: resource.slice(0, dot),
  };
}

async function readAll(client: ApiClient, { root, name }: { root: string; name: string }): Promise<number> {
  let read = 0;
  let token = "";
  do {
    const page = await client.get(
      `${root}/${name}?limit=${PAGE}${token === "" ? "" : `&continue=${encodeURIComponent(token)}`}`,
      METADATA_LIST,
    );
    const { items, next } = pageOf(page, `${root}/${name}`);
    for (const { namespace, name: object } of items) {
      const scope = namespace === "" ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
      // an object that was removed in the meantime is not counted
      if ((await client.get(`${root}${scope}/${name}/${encodeURIComponent(object)}`, METADATA)) !== undefined)
        read++;
    }
    token = next;
  } while (token !== "");
  return read;
}

function pageOf(text: string | undefined, path: string) {
  const page: unknown = JSON.parse(text ?? "null");
  if (!isMapping(page) || !Array.isArray(page.items))
    throw new ClusterFault(
      `${path} does not return a list`,
      "Correct the resource in the encryption config.",
    );
  const items = page.items.map((item: unknown) => {
    const metadata = isMapping(item) && isMapping(item.metadata) ? item.metadata : {};
    return { namespace: String(metadata.namespace ?? ""), name: String(metadata.name ?? "") };
  });
  const metadata = isMapping(page.metadata) ? page.metadata : {};
  return { items, next: String(metadata.continue ?? "") };
}
