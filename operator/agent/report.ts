/** The report of a node: the states of kleidi and of the API server, and the time when the active key became active. */
import type { KleidiNodeStatus } from "../api/kleidi-node.ts";
import { type ConditionDraft, conditionsSince, rfc3339 } from "../cluster/resources.ts";

type Parts = Pick<KleidiNodeStatus, "host" | "modules" | "keys" | "apiServer">;

/**
 * @param before the last report, possibly from a previous agent; it holds the time when the key became active
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
  // While kleidi does not answer, the last known active key is kept: nothing indicates a change.
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
        message: "The agent reads the metrics of the API server.",
      }
    : {
        type: "APIServerObserved",
        status: "False",
        reason: "NoMetrics",
        message:
          "The agent cannot read the metrics of the API server: check the verb get on /metrics, the address and the certificate.",
      };
  return [ready, seen];
}

function unreadyReason(host: Parts["host"]) {
  if (host?.reachable)
    return { reason: "NotReady", message: "kleidi answers but is not ready; its /readyz has the reason." };
  return { reason: "Unreachable", message: "The admin listener of kleidi does not answer." };
}
