/** Differences between nodes, for the status of the EncryptionPolicy. */

import { isUnknown } from "../../host/rotation/observed.ts";
import type { Difference, EncryptionPolicyStatus } from "../api/encryption-policy.ts";
import type { ConditionDraft, KleidiNode } from "../cluster/resources.ts";
import { nodeOf } from "./observe.ts";

type Values = (node: KleidiNode) => readonly (string | undefined)[];
const MAX = 256;

const VALUES: readonly (readonly [Difference["of"], Values])[] = [
  ["EncryptionConfiguration", ({ status }) => [status?.apiServer?.configurationHash]],
  ["Configuration", ({ status }) => [status?.host?.configurationHash]],
  ["Module", ({ status }) => (status?.modules ?? []).map(({ provider, hash }) => `${provider} ${hash}`)],
  ["Wall", ({ status }) => [status?.host?.wall]],
];

/** @returns the values of each setting that is not the same on all nodes that report it */
export function driftOf(nodes: readonly KleidiNode[]): Difference[] {
  return VALUES.flatMap(([of, values]) => {
    const all = nodes.map(
      (node) =>
        [
          node.metadata.name,
          values(node)
            .filter((value) => value !== undefined)
            .sort()
            .join(", "),
        ] as const,
    );
    const said = all.filter(([, value]) => value !== "");
    if (new Set(said.map(([, value]) => value)).size < 2) return [];
    return said.map(([node, value]) => ({ of, node, value: value.slice(0, 253) }));
  }).slice(0, MAX);
}

/** @returns the status, without the times of its conditions */
export function policyStatus(nodes: readonly KleidiNode[], minimumNodes: number, now: number) {
  const silent = nodes.filter((node) => isUnknown(nodeOf(node), now));
  const reporting = nodes.length - silent.length;
  const drift = driftOf(nodes);
  const drafts: ConditionDraft[] = [
    nodesReporting(silent, reporting, minimumNodes),
    inSync(drift),
    reloads(nodes),
  ];
  const status: EncryptionPolicyStatus = {
    nodes: nodes.length,
    reporting,
    ...(drift.length > 0 && { drift }),
  };
  return { status, drafts };
}

function nodesReporting(silent: readonly KleidiNode[], reporting: number, minimum: number): ConditionDraft {
  const type = "NodesReporting";
  if (silent.length === 0 && reporting >= minimum)
    return { type, status: "True", reason: "AllReport", message: `${reporting} nodes report.` };
  const names = silent.map(({ metadata }) => metadata.name).join(", ");
  const message = `${reporting} of ${minimum} nodes report${names && `; silent: ${names}`}.`;
  return { type, status: "False", reason: "NodesMissing", message };
}

function inSync(drift: readonly Difference[]): ConditionDraft {
  const type = "InSync";
  if (drift.length === 0)
    return { type, status: "True", reason: "Same", message: "Nothing differs between nodes." };
  const message = drift
    .map(({ of, node, value }) => `${of} of ${node}: ${value}`)
    .join("; ")
    .slice(0, 2000);
  return { type, status: "False", reason: `${drift[0]?.of}Differs`, message };
}

/** No other check shows a failed reload: the API server stays ready with its previous file. */
function reloads(nodes: readonly KleidiNode[]): ConditionDraft {
  const type = "ReloadsSucceed";
  const failed = nodes.find(({ status }) => (status?.apiServer?.failedReloads ?? 0) > 0);
  if (failed === undefined)
    return { type, status: "True", reason: "NoFailure", message: "No reload has failed." };
  const message = `The API server of node ${failed.metadata.name} failed to reload its EncryptionConfiguration since its start; its log has the reason.`;
  return { type, status: "False", reason: "ReloadFailed", message };
}
