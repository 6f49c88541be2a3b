/** The custom resources as the API returns them, and the requests for them. */
import type { EncryptionPolicySpec, EncryptionPolicyStatus } from "../api/encryption-policy.ts";
import type { Condition } from "../api/fields.ts";
import type { KeyRotationSpec, KeyRotationStatus } from "../api/key-rotation.ts";
import type { KleidiNodeStatus } from "../api/kleidi-node.ts";
import { APPLY_PATCH, type Client } from "./client.ts";

export interface Resource<Spec, Status> {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation?: number;
    readonly creationTimestamp: string;
  };
  readonly spec: Spec;
  readonly status?: Status;
}
export type KleidiNode = Resource<undefined, KleidiNodeStatus>;
export type EncryptionPolicy = Resource<EncryptionPolicySpec, EncryptionPolicyStatus>;
export type KeyRotation = Resource<KeyRotationSpec, KeyRotationStatus>;

export const API_VERSION = "kleidi.dev/v1alpha1";
const KINDS = {
  kleidinodes: "KleidiNode",
  encryptionpolicies: "EncryptionPolicy",
  keyrotations: "KeyRotation",
} as const;
export type Plural = keyof typeof KINDS;

export function pathOf(plural: Plural, name?: string): string {
  return `/apis/${API_VERSION}/${plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

export function kindOf(plural: Plural): string {
  return KINDS[plural];
}

export async function list<T>(client: Client, plural: Plural): Promise<T[]> {
  return (await client.json<{ items: T[] }>("GET", pathOf(plural))).items;
}

/** Writes a status by server-side apply: a field that the manager leaves out is removed. */
export async function applyStatus(
  client: Client,
  plural: Plural,
  name: string,
  status: object,
  manager: string,
): Promise<void> {
  const body = { apiVersion: API_VERSION, kind: KINDS[plural], metadata: { name }, status };
  const path = `${pathOf(plural, name)}/status?fieldManager=${manager}&force=true`;
  await client.json("PATCH", path, { body, type: APPLY_PATCH });
}

export type ConditionDraft = Pick<Condition, "type" | "reason" | "message"> & {
  readonly status: Condition["status"];
};

/** @returns the conditions with the time of the last change of each status */
export function conditionsSince(
  drafts: readonly ConditionDraft[],
  before: readonly Condition[] = [],
  generation: number | undefined,
  now: number,
): Condition[] {
  return drafts.map((draft) => {
    const last = before.find(({ type }) => type === draft.type);
    const lastTransitionTime = last?.status === draft.status ? last.lastTransitionTime : rfc3339(now);
    return {
      ...draft,
      lastTransitionTime,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
}

/** @param ms since 1970 */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
