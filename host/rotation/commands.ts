/** Makes the commands of the next step, for the person or the program that changes nodes. The operator itself changes no node. */
import type { Decision } from "./decision.ts";
import { heldKey, type Observation, type ObservedNode } from "./observed.ts";

const CONFIG = "/etc/kleidi/kleidi.yaml";
const LIMIT = 64;

/**
 * @param seen the observation
 * @param decided the decision about it
 * @returns at most 64 lines, grouped by node; each begins with the node in brackets, or runs on any machine
 */
export function commandsFor(seen: Observation, decided: Decision): string[] {
  return lines(seen, decided).slice(0, LIMIT);
}

function lines(seen: Observation, { step, blocked, reason }: Decision): string[] {
  const { nodes, rotation } = seen;
  if (reason === "NodesMissing" || reason === "NodeUnknown") return byHand(seen);
  if (reason === "PromotedTooEarly" || step === "Staging") return staging(seen);
  if (reason === "Reverted")
    return promoting(
      nodes.filter(({ active }) => active?.hash === rotation.from),
      seen,
    );
  if (step === "Promoting" && !blocked)
    return promoting(
      nodes.filter(({ active }) => active?.hash !== rotation.to),
      seen,
    );
  if (reason === "MigrationOff") return migrating(seen);
  if (reason === "RightMissing")
    return [
      "kubectl apply -f operator/manifests/migration.yaml",
      "kubectl auth can-i --list --as=system:serviceaccount:kleidi-system:kleidi-migration",
    ];
  if (step === "Retirable" && !blocked) return retiring(seen);
  return [];
}

function staging(seen: Observation): string[] {
  const { nodes, rotation } = seen;
  const entry = entryOf(seen, rotation.to, "decrypt");
  return nodes
    .filter((node) => heldKey(node, rotation.to)?.ready !== true)
    .flatMap(({ name }) => edit(name, `add under keys: ${entry}`));
}

/** Changes one node after the other. While kleidi restarts, the API server of its node reads from memory. */
function promoting(some: readonly ObservedNode[], seen: Observation): string[] {
  const { from, to } = seen.rotation;
  const change = `under keys write: ${entryOf(seen, to, "active")} and ${entryOf(seen, from, "decrypt")}`;
  return some.flatMap(({ name }) => edit(name, change));
}

function retiring(seen: Observation): string[] {
  const { nodes, rotation } = seen;
  return nodes
    .filter((node) => heldKey(node, rotation.from) !== undefined)
    .flatMap(({ name }) =>
      edit(
        name,
        `only if no backup of etcd needs it, remove under keys: ${entryOf(seen, rotation.from, "decrypt")}`,
      ),
    );
}

function migrating({ policy }: Observation): string[] {
  return (policy?.resources ?? []).map(
    (resource) => `kubectl get ${resource} --all-namespaces --output json | kubectl replace --filename -`,
  );
}

/** Commands to check by hand on each node, for a cluster without agents. */
function byHand({ rotation }: Observation): string[] {
  return [
    "kubectl get kleidinodes",
    "[each node] kleidi-operator agent --once --node NODE --admin 127.0.0.1:9464",
    `[each node] kleidi key list --config ${CONFIG}`,
    `[each node] curl --silent http://127.0.0.1:9464/state | grep --only-matching ${rotation.to}`,
  ];
}

function edit(node: string, change: string): string[] {
  return [
    `[${node}] edit ${CONFIG}: ${change}`,
    `[${node}] kleidi check --config ${CONFIG}`,
    `[${node}] systemctl restart kleidi`,
  ];
}

/** A line of the configuration, with the names that another node uses for this key. */
function entryOf({ nodes }: Observation, hash: string, use: "active" | "decrypt"): string {
  for (const node of nodes) {
    const key = heldKey(node, hash);
    if (key === undefined) continue;
    // A composed key: its mode and its members.
    const [, mode, members] = /^(anyOf|allOf)\((.+)\)$/.exec(key.provider) ?? [];
    const kind =
      mode === undefined ? `provider: ${key.provider}` : `${mode}: [${members?.replaceAll(",", ", ")}]`;
    return `- { name: ${key.name}, ${kind}, use: ${use} }`;
  }
  return `- { name: KEY, provider: PROVIDER, use: ${use} } # the key whose key_id hash is ${hash}`;
}
