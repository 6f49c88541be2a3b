/** Makes findings from a count of objects: how many are under the active key, under older keys, and under no key of this host. */
import type { Finding } from "../finding.ts";
import type { Count } from "./count.ts";
import { hashOf, type KnownKeys, keyName } from "./key-usage.ts";

/** @param subject names the API server in the findings */
export function countFindings(
  subject: string,
  resources: readonly string[],
  { objects, reads }: Count,
  keys: KnownKeys,
): Finding[] {
  const all = `of ${objects} objects of ${resources.join(", ")}`;
  const active = keys.active === undefined ? undefined : hashOf(keys.active);
  const byKey = reads.map(({ hash, count }): Finding => {
    const detail = `${all}, ${count} were read under ${keyName(hash, keys)}`;
    if (active === undefined || hash === active) return { subject, ok: true, detail };
    const hint =
      "This is an upper bound, because reads of other clients are counted too. Rewrite the objects before you remove the key: kleidi migrate (docs/operate/rewrite.md).";
    return { subject, ok: false, detail, hint };
  });
  const total = reads.reduce((sum, { count }) => sum + count, 0);
  const older = reads.filter(({ hash }) => hash !== active);
  const rest = total < objects ? [unread(subject, all, objects - total)] : [];
  const proof =
    active !== undefined && older.length === 0 && total >= objects ? [proven(subject, objects, total)] : [];
  return [...byKey, ...rest, ...proof];
}

function unread(subject: string, all: string, count: number): Finding {
  const detail = `${all}, at least ${count} are not under a key of this host: in the clear, or written by another provider`;
  return { subject, ok: false, detail, hint: "Rewrite them: kleidi migrate (docs/operate/rewrite.md)." };
}

function proven(subject: string, objects: number, total: number): Finding {
  const detail = `no object is left under an older key: ${total} reads of ${objects} objects were under the active one`;
  // Each read of another client can stand for an object that this host did not write.
  const others = total - objects;
  const hidden = `; ${others} of them by other clients, which can hide as many objects in the clear: repeat the count`;
  return { subject, ok: true, detail: others === 0 ? detail : `${detail}${hidden}` };
}
