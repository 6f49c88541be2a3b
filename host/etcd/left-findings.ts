/** Makes findings from a scan after a migration: everything that is not under the active key is left. Pure. */
import type { Finding } from "../finding.ts";
import type { Scan } from "./scan.ts";
import { groupFinding, isOneOf, storeFindings } from "./scan-findings.ts";

/**
 * The proof in etcd itself that no object is left under another key than the active one.
 * @param resources that were migrated, "deployments.apps"
 * @param active the active key_id
 */
export function leftFindings(
  scan: Scan,
  { source, resources, active }: { source: string; resources: readonly string[]; active: string },
): Finding[] {
  const groups = scan.groups.filter(({ resource }) => isOneOf(resource, resources));
  const left = groups.filter(({ stored }) => stored.kind !== "kms-v2" || stored.keyId !== active);
  const total = groups.reduce((sum, { count }) => sum + count, 0);
  const damaged = storeFindings(scan, source).filter(({ ok }) => !ok);
  const unproven = [
    ...damaged,
    ...left.map((group): Finding => {
      const { subject, detail } = groupFinding(group, undefined);
      const hint = "Rewrite them: kleidi migrate. One that is damaged or refused is named above.";
      return { subject: `etcd ${subject}`, ok: false, detail, hint };
    }),
  ];
  if (unproven.length > 0) return unproven;
  if (total === 0)
    return [
      {
        subject: "etcd",
        ok: false,
        detail: `${source} has no object of ${resources.join(", ")}`,
        hint: "Give the etcd of this cluster; if its API server has another --etcd-prefix, use kleidi etcd scan --prefix.",
      },
    ];
  const detail = `all ${total} objects of ${resources.join(", ")} in ${source} are under the active key`;
  return [{ subject: "etcd", ok: true, detail }];
}
