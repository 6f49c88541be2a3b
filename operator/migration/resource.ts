/** A resource as an EncryptionConfiguration names it, and its paths. */
import type { Client } from "../cluster/client.ts";

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

/** @returns the path of the group in its preferred version. @throws ApiError */
export async function basePath(client: Client, { group }: GroupResource): Promise<string> {
  if (group === "") return "/api/v1";
  const { preferredVersion } = await client.json<{ preferredVersion: { groupVersion: string } }>(
    "GET",
    `/apis/${group}`,
  );
  return `/apis/${preferredVersion.groupVersion}`;
}

/** @param namespace undefined for objects without one */
export function objectPath(
  base: string,
  resource: string,
  name: string,
  namespace: string | undefined,
): string {
  const scope = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${base}${scope}/${resource}/${encodeURIComponent(name)}`;
}
