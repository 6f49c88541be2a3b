/** The report of a node: the states of kleidi and of the API server, and the time since which the active key is active. */
import type { KleidiNodeStatus } from "../api/kleidi-node.ts";
import { type ConditionDraft, conditionsSince, rfc3339 } from "../cluster/resources.ts";

type Parts = Pick<KleidiNodeStatus, "host" | "modules" | "keys" | "apiServer">;

/**
 * @param before the last report, perhaps of an agent before this one: it knows since when the key is active
 * @param now milliseconds since 1970
 */
export function reportOf(
  parts: Parts,
  before: KleidiNodeStatus,
  intervalSeconds: number,
  now: number,
): KleidiNodeStatus {
  const key = parts.keys?.find(({ use, ready }) => use === "active" && ready);
  const hash = key?.hashes[0];
  // While kleidi does not answer, the last active key stays: nothing says that it changed.
  const active = hash === undefined ? before.active : activeSince(hash, before.active, now);
  return {
    ...parts,
    observedAt: rfc3339(now),
    intervalSeconds,
    ...(active && { active }),
    ...(key && { activeKey: key.name }),
    conditions: conditionsSince(conditions(parts), before.conditions, undefined, now),
  };
}

function activeSince(
  hash: string,
  before: KleidiNodeStatus["active"],
  now: number,
): NonNullable<KleidiNodeStatus["active"]> {
  if (before?.hash === hash) return before;
  return { hash, since: rfc3339(now), ...(before && { previous: before.hash }) };
}

function conditions({ host, apiServer }: Parts): ConditionDraft[] {
  const ready: ConditionDraft = host?.ready
    ? { type: "Ready", status: "True", reason: "Ready", message: "kleidi can encrypt." }
    : { type: "Ready", status: "False", ...unreadyReason(host) };
  const seen: ConditionDraft = apiServer?.reachable
    ? {
        type: "APIServerObserved",
        status: "True",
        reason: "Observed",
        message: "The metrics of the API server are read.",
      }
    : {
        type: "APIServerObserved",
        status: "False",
        reason: "NoMetrics",
        message:
          "The API server does not show its metrics: the verb get on /metrics, the address, the certificate.",
      };
  return [ready, seen];
}

function unreadyReason(host: Parts["host"]) {
  if (host?.reachable)
    return { reason: "NotReady", message: "kleidi answers and is not ready; its /readyz says why." };
  return { reason: "Unreachable", message: "The admin listener of kleidi does not answer." };
}
