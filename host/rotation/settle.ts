/**
 * The wait after the promotion. An API server calls Status every 60 s and may continue with its old key for 3 minutes after the last successful
 * answer (KEP-3299). An object written with the old key after the migration has passed it would be lost with that key.
 */
import { type Decision, proceed } from "./decision.ts";
import type { ApiServerKey, Observation, ObservedNode, Policy } from "./observed.ts";

/** @returns the end of the wait: the latest promotion of a node plus the policy's wait */
export function settledAt({ nodes }: Observation, { waitMs }: Policy): number {
  return Math.max(...nodes.map(({ active }) => active?.since ?? 0)) + waitMs;
}

export function settle(seen: Observation, policy: Policy): Decision | undefined {
  const { now, nodes, rotation } = seen;
  const end = settledAt(seen, policy);
  if (now < end)
    return proceed("Waiting", {
      reason: "Waiting",
      message: `Every node is promoted; until ${new Date(end).toISOString()} an API server may still write with the old key.`,
      waitUntil: end,
      done: nodes.length,
    });
  const late = nodes.filter((node) => !hasSwitched(node, rotation.from, rotation.to));
  const [first] = late;
  if (first === undefined) return undefined;
  const message =
    first.apiServer === undefined
      ? `The API server of node ${first.name} does not give its metrics to the agent, so its key is unknown.`
      : `The API server of node ${first.name} has not polled the new key since kleidi was promoted.`;
  return proceed("Waiting", { reason: "APIServerBehind", message, done: nodes.length - late.length });
}

/** True if the API server's last call of Status returned the new key. */
function hasSwitched({ apiServer, active }: ObservedNode, from: string, to: string): boolean {
  const at = (hash: string) => keyOf(apiServer?.keys ?? [], hash)?.polledAt;
  const polled = at(to);
  return polled !== undefined && active !== undefined && polled >= (at(from) ?? 0);
}

export function keyOf(keys: readonly ApiServerKey[], hash: string): ApiServerKey | undefined {
  return keys.find((key) => key.hash === hash);
}
