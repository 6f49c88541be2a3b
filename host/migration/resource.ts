/** A resource in the notation of an EncryptionConfiguration, its API paths, and the list of its objects. */
import { ApiError, type ApiRequests, METADATA_LIST } from "./api.ts";
import type { RetryPolicy } from "./retry-policy.ts";

export interface GroupResource {
  /** Empty for the core group. */
  readonly group: string;
  readonly resource: string;
}

/** @example parseResource("widgets.example.com") // { resource: "widgets", group: "example.com" } */
export function parseResource(name: string): GroupResource {
  const dot = name.indexOf(".");
  if (dot < 0) return { group: "", resource: name };
  return { resource: name.slice(0, dot), group: name.slice(dot + 1) };
}

interface Group {
  readonly preferredVersion: { readonly groupVersion: string };
  readonly versions: readonly { readonly groupVersion: string }[];
}

/** @returns the path of the group in a version that serves the resource, the preferred version if possible. @throws ApiError */
export async function basePath(client: ApiRequests, { group, resource }: GroupResource): Promise<string> {
  if (group === "") return "/api/v1";
  const { preferredVersion, versions } = await client.json<Group>("GET", `/apis/${group}`);
  for (const { groupVersion } of [preferredVersion, ...versions]) {
    const path = `/apis/${groupVersion}`;
    const { resources } = await client.json<{ resources: readonly { name: string }[] }>("GET", path);
    if (resources.some(({ name }) => name === resource)) return path;
  }
  throw new ApiError(`find ${resource}.${group}`, 404, "no version of the group serves this resource");
}

/** @param namespace undefined for cluster-scoped objects */
export function objectPath(
  base: string,
  resource: string,
  name: string,
  namespace: string | undefined,
): string {
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${base}${scope}/${resource}/${encodeURIComponent(name)}`;
}

export interface ObjectMetadata {
  readonly name: string;
  /** Absent for cluster-scoped objects. */
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** One page of the list of a resource. */
export interface Page {
  readonly base: string;
  /** The plural without its group, as in a path. */
  readonly resource: string;
  readonly items: readonly ObjectMetadata[];
  /** Number of objects on later pages, as far as the API server knows it. */
  readonly remaining: number;
}

interface List {
  readonly metadata: { readonly continue?: string; readonly remainingItemCount?: number };
  readonly items: readonly { readonly metadata: ObjectMetadata }[];
}

export interface PageOptions {
  readonly client: ApiRequests;
  /** "secrets", "deployments.apps"; no wildcards. */
  readonly resource: string;
  readonly pageSize: number;
  readonly retry: RetryPolicy;
  readonly signal?: AbortSignal;
}

/**
 * Lists the metadata of all objects of a resource, page by page. If the list becomes older than etcd's history (410), it continues with newer
 * objects, or restarts.
 * @throws ApiError a page could not be listed
 */
export async function* pages(options: PageOptions): AsyncGenerator<Page> {
  const { client, pageSize, retry, signal } = options;
  const { group, resource } = parseResource(options.resource);
  const base = await retry.run(() => basePath(client, { group, resource }));
  let at: string | undefined = "";
  while (at !== undefined) {
    const query: string = `limit=${pageSize}${at && `&continue=${encodeURIComponent(at)}`}`;
    try {
      const { items, metadata } = await retry.run(() =>
        client.json<List>("GET", `${base}/${resource}?${query}`, {
          accept: METADATA_LIST,
          ...(signal === undefined ? {} : { signal }),
        }),
      );
      at = metadata.continue || undefined;
      const remaining = at === undefined ? 0 : (metadata.remainingItemCount ?? 0);
      yield { base, resource, items: items.map((each) => each.metadata), remaining };
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 410 || at === "") throw error;
      at = error.continueAt ?? "";
    }
  }
}
