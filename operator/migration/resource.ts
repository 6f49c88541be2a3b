/** A resource in the notation of an EncryptionConfiguration, and its API paths. */
import { ApiError, type Client } from "../cluster/client.ts";

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
export async function basePath(client: Client, { group, resource }: GroupResource): Promise<string> {
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
