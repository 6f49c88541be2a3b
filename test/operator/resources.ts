/** The custom resources of a test's cluster, created and watched by an administrator. */
import { readFileSync } from "node:fs";
import type { KeyRotationStatus } from "../../operator/api/key-rotation.ts";
import type { KleidiNodeStatus } from "../../operator/api/kleidi-node.ts";
import type { Answer } from "../e2e/servers.ts";
import { until } from "../e2e/servers.ts";
import type { Cluster, Program } from "./cluster.ts";

export const LIMIT_MS = 180_000;
export const MERGE = { type: "application/merge-patch+json" };
const PLURALS = { KeyRotation: "keyrotations", EncryptionPolicy: "encryptionpolicies" } as const;

export function resource(plural: string, name?: string): string {
  return `/apis/kleidi.dev/v1alpha1/${plural}${name === undefined ? "" : `/${name}`}`;
}

export function createResource(
  { api }: Cluster,
  kind: keyof typeof PLURALS,
  name: string,
  spec: object,
): Promise<Answer> {
  const body = { apiVersion: "kleidi.dev/v1alpha1", kind, metadata: { name }, spec };
  return api.ask("POST", resource(PLURALS[kind]), body);
}

export async function rotationStatus(cluster: Cluster, name = "r"): Promise<KeyRotationStatus> {
  return (await cluster.get<{ status?: KeyRotationStatus }>(resource("keyrotations", name))).status ?? {};
}

export async function nodeStatus(cluster: Cluster, name = "cp-1"): Promise<KleidiNodeStatus> {
  return (await cluster.get<{ status?: KleidiNodeStatus }>(resource("kleidinodes", name))).status ?? {};
}

/** The hash of the key_id of a node's key, once the node reports it. */
export async function hashOfKey(cluster: Cluster, key: string): Promise<string> {
  let hash: string | undefined;
  const held = async () => {
    hash = (await nodeStatus(cluster)).keys?.find(({ name }) => name === key)?.hashes[0];
    return hash !== undefined;
  };
  await until(`cp-1 reports ${key}`, held, LIMIT_MS);
  return hash ?? "";
}

/**
 * Waits until the rotation is in a phase.
 * @param reason of the condition Blocked
 * @param controller its log is shown if the rotation does not reach the phase
 */
export async function reachPhase(
  cluster: Cluster,
  controller: () => Program,
  phase: string,
  reason?: string,
): Promise<KeyRotationStatus> {
  let last: KeyRotationStatus = {};
  const is = async () => {
    last = await rotationStatus(cluster);
    const condition = last.conditions?.find(({ type }) => type === "Blocked");
    return last.phase === phase && (reason === undefined || condition?.reason === reason);
  };
  await until(`the rotation is ${phase} ${reason ?? ""}`, is, LIMIT_MS).catch((error) => {
    const log = readFileSync(controller().log, "utf8");
    throw new Error(`${error.message}; it is ${JSON.stringify(last)}\n${log}`);
  });
  return last;
}
