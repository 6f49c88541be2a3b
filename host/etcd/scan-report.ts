/** The report of a scan for programs. */
import { hashOf } from "../cluster/key-usage.ts";
import type { Scan } from "./scan.ts";
import { configuredKey, type ScanContext } from "./scan-findings.ts";

/** The groups for a program: each with the names of its first 20 objects. */
export function scanReport({ revision, objects, groups, faultCount, checksum }: Scan, { keys }: ScanContext) {
  return {
    revision,
    objects,
    damagedParts: faultCount,
    checksum,
    groups: groups.map(({ resource, stored, count, names }) => {
      const isKms = stored.kind === "kms-v2";
      const key = isKms ? configuredKey(stored, keys) : undefined;
      return {
        resource,
        count,
        ...stored,
        problem: undefined,
        ...(isKms ? { keyIdHash: hashOf(stored.keyId), key: key?.name, state: key?.state } : {}),
        names: stored.kind === "clear" ? undefined : names,
      };
    }),
  };
}
