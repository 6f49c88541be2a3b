/** Makes findings from a scan: for each resource, the objects under each provider and key_id, those that are damaged, and those in clear. Pure. */
import { hashOf } from "../cluster/key-usage.ts";
import type { Finding } from "../finding.ts";
import type { ForeignName } from "../foreign.ts";
import { escapeName, escapeOwnText } from "../lib/text.ts";
import type { Scan } from "./scan.ts";
import type { Group } from "./tally.ts";

/** A key_id of the configuration. */
export interface ConfiguredKey {
  /** The name of the key. */
  readonly name: string;
  /** "older": another key than the active one, or an older version of it. */
  readonly state: "active" | "older";
  /** The other plugin whose objects the key decrypts. */
  readonly foreign?: ForeignName | undefined;
}

export interface ScanContext {
  /** The file or the endpoint. */
  readonly source: string;
  /** By key_id; undefined: nothing is compared. */
  readonly keys: ReadonlyMap<string, ConfiguredKey> | undefined;
  /** The resources that must be encrypted. */
  readonly encrypted: readonly string[];
}

const SHOWN = 5;

/** @returns the findings; those about one resource have its name as the subject */
export function scanFindings(scan: Scan, context: ScanContext): Finding[] {
  const { source, keys, encrypted } = context;
  const rest = scan.groups.filter(
    ({ resource, stored }) => stored.kind === "clear" && !isOneOf(resource, encrypted),
  );
  const groups = scan.groups.filter((group) => !rest.includes(group));
  return [
    ...storeFindings(scan, source),
    ...groups.map((group) => groupFinding(group, keys)),
    ...(rest.length === 0 ? [] : [restFinding(rest)]),
  ];
}

/** In etcd the resources of the built-in groups are stored without their group. */
export function isOneOf(resource: string, names: readonly string[]): boolean {
  return names.some((each) => each === resource || each.split(".")[0] === resource);
}

/** The findings about the store as a whole. */
export function storeFindings({ objects, revision, faults, faultCount, checksum }: Scan, source: string) {
  const subject = "etcd";
  const verified = checksum ? ", and its SHA-256 is right" : "";
  const findings: Finding[] = [
    { subject, ok: true, detail: `${source} has ${objects} objects at revision ${revision}${verified}` },
  ];
  if (checksum === false)
    findings.push({
      subject,
      ok: false,
      detail: `the SHA-256 at the end of ${source} is not that of the file: it was cut or changed`,
      hint: "Restore another snapshot, if there is one.",
    });
  if (faultCount > 0)
    findings.push({
      subject,
      ok: false,
      detail: `the store has damaged parts (${faultCount}), whose objects are not counted: ${shown(faults, faultCount)}`,
      hint: "Restore another snapshot, or start etcd from another member.",
    });
  return findings;
}

/** The finding about objects that are encrypted alike. @param keys undefined: the key_id is not compared */
export function groupFinding(group: Group, keys: ScanContext["keys"]): Finding {
  const { resource, stored, count } = group;
  const subject = escapeName(resource);
  const objects = count === 1 ? "1 object" : `${count} objects`;
  switch (stored.kind) {
    case "damaged": {
      const hint =
        "Remove each in etcd and create it again (docs/recovery.md): one damaged object keeps a restarted API server from ready.";
      return { subject, ok: false, detail: `${objects} damaged: ${namesOf(group)}`, hint };
    }
    case "clear": {
      const hint = "Rewrite them: kleidi migrate.";
      return { subject, ok: false, detail: `${objects} in clear: ${namesOf(group)}`, hint };
    }
    case "other": {
      const { transformer, name } = stored;
      const detail = `${objects} under ${transformer} ${escapeName(name)}, which is not read here`;
      const hint =
        "Keep this provider in the EncryptionConfiguration until kleidi migrate has rewritten them.";
      return { subject, ok: true, warning: true, detail, hint };
    }
    case "kms-v2":
      return keyFinding(subject, `${objects} under kms v2 ${escapeName(stored.provider)}`, group, keys);
  }
}

function keyFinding(subject: string, under: string, group: Group, keys: ScanContext["keys"]): Finding {
  const { keyId, foreign } = group.stored.kind === "kms-v2" ? group.stored : { keyId: "" };
  const id = `${escapeName(keyId)} (${hashOf(keyId).slice(0, 23)}…)`;
  if (keys === undefined) return { subject, ok: true, detail: `${under}, key_id ${id}${writtenBy(foreign)}` };
  const key = configuredKey({ keyId, foreign }, keys);
  if (key === undefined) {
    const hint =
      foreign === undefined
        ? "Add the key with use: decrypt, from the backup of that time (docs/recovery.md)."
        : `Add a key with use: decrypt and foreign: ${foreign} (docs/operate/migrate.md).`;
    const detail = `${under}, key_id ${id}${writtenBy(foreign)}, which no configured key can read: ${namesOf(group)}`;
    return { subject, ok: false, detail, hint };
  }
  if (key.state === "active")
    return { subject, ok: true, detail: `${under}, the active key ${key.name}, ${id}` };
  const hint = "Rewrite them before you remove the key: kleidi migrate.";
  const of = foreign === undefined ? `older key ${key.name}` : `key ${key.name} for objects of ${foreign}`;
  return { subject, ok: true, warning: true, detail: `${under}, the ${of}, ${id}`, hint };
}

/** @returns the key that can read such objects; undefined: none, or the keys are unknown */
export function configuredKey(
  { keyId, foreign }: { readonly keyId: string; readonly foreign?: ForeignName | undefined },
  keys: ScanContext["keys"],
): ConfiguredKey | undefined {
  const key = keys?.get(keyId);
  return key?.foreign === foreign ? key : undefined;
}

function writtenBy(foreign: ForeignName | undefined): string {
  return foreign === undefined ? "" : `, as ${foreign} writes it`;
}

function restFinding(rest: readonly Group[]): Finding {
  const objects = rest.reduce((sum, { count }) => sum + count, 0);
  const detail = `${objects} objects of ${rest.length} other resources are in clear`;
  return { subject: "other resources", ok: true, detail };
}

function namesOf({ names, count }: Group): string {
  return shown(names, count);
}

function shown(texts: readonly string[], count: number): string {
  const first = texts.slice(0, SHOWN).map(escapeOwnText).join(", ");
  return count > SHOWN ? `${first} and ${count - Math.min(SHOWN, texts.length)} more` : first;
}
