/**
 * Counts the objects under each key. A LIST proves nothing: the API server answers it from its cache (by default since Kubernetes 1.31). A GET without
 * a resourceVersion reads etcd and decrypts, and the API server counts it under the object's key. So this reads the metadata of every object
 * once, and compares the counters before and after.
 */
import { ApiError, METADATA } from "../migration/api.ts";
import { objectPath, type Page, pages } from "../migration/resource.ts";
import { RetryPolicy } from "../migration/retry-policy.ts";
import { type ApiClient, refusal } from "./api-client.ts";
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

export interface CountOptions {
  /** "secrets", "deployments.apps"; no wildcards. */
  readonly resources: readonly string[];
  /** The names of the kms providers; undefined: all that the API server has. */
  readonly names: readonly string[] | undefined;
  readonly signal?: AbortSignal;
  /** Called after each page of a list, with the number of objects that are left. */
  readonly onPage?: (remaining: number) => void;
  /** Called after each object. */
  readonly onObject?: () => void;
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
 * @throws ClusterFault an object cannot be read, or a load balancer sent the requests to different API servers
 */
export async function countObjects(client: ApiClient, options: CountOptions): Promise<Count> {
  const before = await metricsOf(client);
  let objects = 0;
  for (const resource of options.resources) objects += await readAll(client, resource, options);
  const after = await metricsOf(client);
  if (serverIds(before).join() !== serverIds(after).join())
    throw new ClusterFault(
      "two API servers answered, and each has its own counters",
      "Give the address of one API server, not of a load balancer.",
    );
  return { objects, reads: readsBetween(before, after, options.names) };
}

/** The reads, or the writes, under each key between two pages of metrics of one API server. */
export function readsBetween(
  before: readonly Sample[],
  after: readonly Sample[],
  names: readonly string[] | undefined,
  direction: "from_storage" | "to_storage" = "from_storage",
): KeyReads[] {
  const counted = new Map(readsOf(before, names, direction).map(({ hash, count }) => [hash, count]));
  const reads = readsOf(after, names, direction).map(({ hash, count }) => ({
    hash,
    count: count - (counted.get(hash) ?? 0),
  }));
  return reads.filter(({ count }) => count > 0);
}

async function readAll(
  client: ApiClient,
  resource: string,
  { signal = new AbortController().signal, onPage, onObject }: CountOptions,
): Promise<number> {
  const retry = new RetryPolicy(signal);
  let read = 0;
  try {
    for await (const page of pages({ client, resource, pageSize: PAGE, retry, signal })) {
      onPage?.(page.items.length + page.remaining);
      read += await readPage(client, page, retry, signal, onObject);
    }
  } catch (error) {
    throw error instanceof ApiError ? refusal(client.server, error) : error;
  }
  return read;
}

/** @returns the number of objects that still exist */
async function readPage(
  client: ApiClient,
  { base, resource, items }: Page,
  retry: RetryPolicy,
  signal: AbortSignal,
  onObject: CountOptions["onObject"],
): Promise<number> {
  let read = 0;
  for (const { name, namespace } of items) {
    signal.throwIfAborted();
    const path = objectPath(base, resource, name, namespace);
    const found = await retry.run(() => exists(client, path, signal));
    if (found) read += 1;
    onObject?.();
  }
  return read;
}

async function exists(client: ApiClient, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.json("GET", path, { accept: METADATA, signal });
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return false;
    throw error;
  }
}
