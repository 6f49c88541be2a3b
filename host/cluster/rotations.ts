/** Reads the rotations that the operator has proved: no object was left under the old key (docs/operator.md). */
import { isMapping } from "../schema/outline.ts";
import type { ApiClient } from "./api-client.ts";
import { ClusterFault } from "./cluster-fault.ts";

const PATH = "/apis/kleidi.dev/v1alpha1/keyrotations";

/**
 * @returns the hash of each replaced key_id (`sha256:` and 64 hex digits) → the name of its KeyRotation
 * @throws ClusterFault the API server does not answer, or the operator is not installed
 */
export async function provedRotations(client: ApiClient): Promise<Map<string, string>> {
  const list: unknown = JSON.parse((await client.get(PATH)) ?? "null");
  if (!isMapping(list) || !Array.isArray(list.items))
    throw new ClusterFault(
      `${client.server} has no KeyRotations`,
      "Install the operator, or give --encryption-config to count the objects.",
    );
  return new Map(list.items.flatMap((item: unknown) => proved(item)));
}

function proved(item: unknown): [string, string][] {
  const { metadata, spec, status } = mapping(item);
  const { provedAt } = mapping(mapping(status).migration);
  const { from } = mapping(spec);
  if (typeof provedAt !== "string" || typeof from !== "string") return [];
  return [[from, String(mapping(metadata).name)]];
}

function mapping(value: unknown): Readonly<Record<string, unknown>> {
  return isMapping(value) ? value : {};
}
