/** Compares the metrics of one API server with the file and with the keys of the running host. Counters start at 0 when the API server starts. */
import { createHash } from "node:crypto";
import type { Finding } from "../finding.ts";
import type { Sample } from "./samples.ts";

const CONFIG = "apiserver_encryption_config_controller_";
const KEYS = "apiserver_envelope_encryption_key_id_hash_";
/** Prefixes of the metrics that are read here. */
export const USED_METRICS: readonly string[] = [CONFIG, KEYS];

export interface KnownKeys {
  /** The key_id of the active key; undefined if the host did not answer. */
  readonly active: string | undefined;
  /** The first 16 hexadecimal digits of the SHA-256 of a key_id → the name of the key. Empty: unknown. */
  readonly names: ReadonlyMap<string, string>;
}

/** One key_id as the API server counts it: reads of the store since its start. */
export interface KeyReads {
  /** "sha256:" and 64 hexadecimal digits. */
  readonly hash: string;
  readonly count: number;
}

/** The hash of a key_id or a file, in the format of the API server's labels. */
export function hashOf(text: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** Names a key_id by the key of the host, or by the start of its hash. */
export function keyName(hash: string, { active, names }: KnownKeys): string {
  const name = names.get(hash.slice("sha256:".length, "sha256:".length + 16));
  const use = active !== undefined && hash === hashOf(active) ? "the active key" : "key";
  return `${use}${name === undefined ? "" : ` ${name}`} (${hash.slice(0, 23)}…)`;
}

/**
 * The reads of each key_id since the start of the API server.
 * @param names the names of the kms providers; undefined: all
 * @param direction to_storage for writes
 */
export function readsOf(
  samples: readonly Sample[],
  names: readonly string[] | undefined,
  direction: "from_storage" | "to_storage" = "from_storage",
): KeyReads[] {
  return usesOf(samples, names, "total", direction).map(({ labels, value }) => ({
    hash: labels.key_id_hash ?? "",
    count: value,
  }));
}

/** The identity of the API server that wrote the samples: it differs behind a load balancer. */
export function serverIds(samples: readonly Sample[]): string[] {
  return [...new Set(samples.flatMap(({ labels }) => labels.apiserver_id_hash ?? []))].sort();
}

/**
 * @param subject names the API server in the findings
 * @param fileHash `hashOf` the EncryptionConfiguration
 */
export function usageFindings(
  subject: string,
  samples: readonly Sample[],
  names: readonly string[],
  fileHash: string,
  keys: KnownKeys,
): Finding[] {
  return [
    configInForce(subject, samples, fileHash),
    reloads(subject, samples),
    ...statusFindings(subject, samples, names, keys),
    ...["to_storage", "from_storage"].flatMap((direction) =>
      lastUse(subject, samples, names, direction, keys),
    ),
    ...olderReads(subject, samples, names, keys),
  ];
}

function configInForce(subject: string, samples: readonly Sample[], fileHash: string): Finding {
  const inForce = samples.find(({ name }) => name === `${CONFIG}last_config_info`)?.labels.hash;
  if (inForce === undefined)
    return {
      subject,
      ok: true,
      detail:
        "does not report which encryption config is in force: the metric last_config_info is missing, as in older versions of Kubernetes",
    };
  if (inForce === fileHash)
    return { subject, ok: true, detail: `the file is in force: ${fileHash.slice(0, 23)}…` };
  return {
    subject,
    ok: false,
    detail: `another encryption config is in force: ${inForce.slice(0, 23)}…, and the file is ${fileHash.slice(0, 23)}…`,
    hint: "A changed file is read within a minute, if --encryption-provider-config-automatic-reload=true; otherwise restart the API server. Compare with its log.",
  };
}

function reloads(subject: string, samples: readonly Sample[]): Finding {
  const newest = (metric: string, status: string) =>
    Math.max(
      0,
      ...samples
        .filter(({ name, labels }) => name === `${CONFIG}${metric}` && labels.status === status)
        .map(({ value }) => value),
    );
  const failed = newest("automatic_reloads_total", "failure");
  if (failed === 0)
    return { subject, ok: true, detail: "no reload of the encryption config failed since its start" };
  const at = newest("automatic_reload_last_timestamp_seconds", "failure");
  const detail = `${failed} reloads of the encryption config failed since its start, the last one at ${timeOf(at)}`;
  if (newest("automatic_reload_last_timestamp_seconds", "success") > at)
    return { subject, ok: true, detail: `${detail}; a later one succeeded` };
  return {
    subject,
    ok: false,
    detail,
    hint: "The API server continues with the previous config and still reports ready. Its log has the reason; fix the file.",
  };
}

/** Compares the key_id that the API server last got from Status, with which it writes, with the active key. */
export function statusFindings(
  subject: string,
  samples: readonly Sample[],
  names: readonly string[] | undefined,
  keys: KnownKeys,
): Finding[] {
  const last = latest(usesOf(samples, names, "status_last_timestamp_seconds"));
  if (last === undefined)
    return [
      {
        subject,
        ok: false,
        detail: `has had no key_id from Status of ${names?.join(", ") ?? "a kms provider"} since its start`,
        hint: "Its log has the reason why it does not reach the socket; /readyz?verbose has the check kms-providers.",
      },
    ];
  const hash = last.labels.key_id_hash ?? "";
  const detail = `Status last gave it ${keyName(hash, keys)} at ${timeOf(last.value)}`;
  if (keys.active === undefined || hash === hashOf(keys.active)) return [{ subject, ok: true, detail }];
  return [
    {
      subject,
      ok: false,
      detail: `${detail}; the active key of the host is another one`,
      hint: "It calls Status once a minute. If this stays, it uses another host: compare the hosts of all nodes.",
    },
  ];
}

function lastUse(
  subject: string,
  samples: readonly Sample[],
  names: readonly string[],
  direction: string,
  keys: KnownKeys,
): Finding[] {
  const verb = direction === "to_storage" ? "wrote" : "read";
  const last = latest(usesOf(samples, names, "last_timestamp_seconds", direction));
  if (last === undefined)
    return [{ subject, ok: true, detail: `${verb} nothing through this host since its start` }];
  const hash = last.labels.key_id_hash ?? "";
  return [
    { subject, ok: true, detail: `last ${verb} under ${keyName(hash, keys)} at ${timeOf(last.value)}` },
  ];
}

/** Reads under other keys than the active one prove that such objects existed. The absence of reads proves nothing. */
function olderReads(
  subject: string,
  samples: readonly Sample[],
  names: readonly string[],
  keys: KnownKeys,
): Finding[] {
  if (keys.active === undefined) return [];
  const active = hashOf(keys.active);
  const older = readsOf(samples, names).filter(({ hash, count }) => hash !== active && count > 0);
  if (older.length === 0)
    return [
      {
        subject,
        ok: true,
        detail:
          "no read under an older key since its start, which does not prove that no object is left under one; use --count",
      },
    ];
  return older.map(({ hash, count }): Finding => {
    const detail = `${count} reads under ${keyName(hash, keys)} since its start: objects were under it; use --count to count the rest`;
    if (keys.names.size === 0 || keys.names.has(hash.slice(7, 23))) return { subject, ok: true, detail };
    return {
      subject,
      ok: false,
      detail: `${detail}; the host has no such key`,
      hint: 'Add the key to "keys" with use: decrypt: objects under it become unreadable when the API server restarts.',
    };
  });
}

function usesOf(
  samples: readonly Sample[],
  names: readonly string[] | undefined,
  metric: string,
  direction?: string,
): Sample[] {
  return samples.filter(
    ({ name, labels }) =>
      name === `${KEYS}${metric}` &&
      (names === undefined || names.includes(labels.provider_name ?? "")) &&
      labels.transformation_type === direction,
  );
}

function latest(samples: readonly Sample[]): Sample | undefined {
  return samples.toSorted((a, b) => b.value - a.value)[0];
}

/** @param seconds since 1970 */
function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "an unknown time" : `${date.toISOString().slice(0, 19)}Z`;
}
