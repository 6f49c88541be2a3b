/** The kinds of records and their fields: the single source of the types, the written lines and docs/audit.schema.json. */
import {
  base64,
  count,
  encodeField,
  type Field,
  hex,
  ms,
  type Optional,
  optional,
  text,
  time,
  type ValueOf,
  word,
} from "./fields.ts";

export const VERSION = 1;
/** The maximum length of a line in bytes, with its newline; the limits of the fields guarantee it. */
export const LONGEST_LINE = 4096;

const rpc = word("status", "encrypt", "decrypt", "provision");
/** "denied": without authority. "refused": for another reason, such as a limit or a malformed request. */
const decision = word("allowed", "denied", "refused");
const sink = word("file", "stdout");
/** The rhythm of a host with a key: it signs a checkpoint after this many lines or this time, whichever comes first (rhythm.ts). */
const rhythm = { checkpoint_lines: optional(count), checkpoint_interval_ms: optional(count) };

/** Records of events of the host. */
const ENTRIES = {
  /** "wall": the wall around the providers' processes (docs/threat-model.md); absent in records of older hosts. */
  start: {
    version: text(64),
    config: optional(hex(64)),
    wall: optional(word("bubblewrap", "landlock", "none")),
    pid: count,
    ...rhythm,
  },
  stop: { reason: text(64) },
  /** A running host read its configuration again. "config": the SHA-256 of the file; absent if it could not be read. */
  reload: {
    outcome: word("applied", "refused"),
    config: optional(hex(64)),
    reason: optional(text(256)),
  },
  rpc: {
    rpc,
    uid: optional(text(128)),
    provider: optional(text(64)),
    module: optional(hex(64)),
    key: optional(text(64)),
    key_id_sha256: optional(hex(64)),
    decision,
    rule: optional(text(256)),
    request_bytes: optional(count),
    reply_bytes: optional(count),
    ms,
    /** "ok", or the code of the error table. */
    outcome: text(64),
  },
  host_call: {
    rpc,
    uid: optional(text(128)),
    provider: text(64),
    module: optional(hex(64)),
    ordinal: optional(count),
    capability: text(64),
    operation: text(64),
    /** The origin and path, or the name of a TPM command, a key or a state record. */
    target: optional(text(512)),
    decision,
    rule: text(256),
    request_bytes: optional(count),
    reply_bytes: optional(count),
    ms: optional(ms),
    outcome: optional(text(64)),
  },
  credential: {
    provider: text(64),
    event: word("login", "renew", "refused", "failed"),
    expires: optional(time),
  },
  provider: {
    provider: text(64),
    event: word("started", "ended", "quarantined"),
    module: optional(hex(64)),
    reason: optional(text(256)),
  },
} as const satisfies Shapes;

/** Records about the log itself. */
const CONTROLS = {
  /** The first line of a chain. If an untrusted file was set aside: its new name, the reason, and the hash of its last line. */
  genesis: { aside: optional(text(256)), why: optional(text(256)), last: optional(hex(64)) },
  /** The first line of a file that continues another one. "resumed": written by older hosts whose start found no file. */
  rotate: { reason: word("size", "asked", "moved", "resumed") },
  /** Follows `rotate` if the host has a key: the file with the start record may be removed later. */
  rhythm: { checkpoint_lines: count, checkpoint_interval_ms: count },
  checkpoint: { key: hex(16), signature: base64(88) },
  /** The start of the host found an incomplete last line and cut it off. */
  torn: { bytes: count, sha256: hex(64) },
  /** The clock went backwards by this time. */
  clock: { back_ms: count },
  /** The lines from…to are missing in this sink. `last` is the hash of the line before them, if that line still exists. */
  gap: { sink, error: text(128), since: time, from: count, to: count, last: optional(hex(64)) },
  /** The lines from…to were late; none is missing. Operations that waited for them were refused. */
  stalled: { sink, error: text(128), since: time, from: count, to: count },
} as const satisfies Shapes;

export const RECORDS = { ...ENTRIES, ...CONTROLS } as const;

type Shape = Readonly<Record<string, Field | Optional>>;
type Shapes = Readonly<Record<string, Shape>>;
type RequiredFields<S extends Shape> = { [K in keyof S as S[K] extends Field ? K : never]: S[K] };
type OptionalFields<S extends Shape> = { [K in keyof S as S[K] extends Optional ? K : never]: S[K] };
type RecordOf<K, S extends Shape> = { readonly kind: K } & {
  readonly [F in keyof RequiredFields<S>]: S[F] extends Field ? ValueOf<S[F]> : never;
} & {
  readonly [F in keyof OptionalFields<S>]?: S[F] extends Optional<infer O> ? ValueOf<O> | undefined : never;
};
type AnyOf<T extends Shapes> = { [K in keyof T]: RecordOf<K, T[K]> }[keyof T];

export type Entry = AnyOf<typeof ENTRIES>;
export type Control = AnyOf<typeof CONTROLS>;

const FIELDS = new Map(
  Object.entries(RECORDS).map(([kind, shape]) => [
    kind,
    Object.entries(shape as Shape).map(([name, field]) =>
      field.is === "optional" ? { name, field: field.field, needed: false } : { name, field, needed: true },
    ),
  ]),
);

/**
 * Encodes a record: the fields of its kind in their order, and no other fields.
 * @throws TypeError if a field is invalid
 */
export function encodeRecord(record: Entry | Control): Record<string, string | number> {
  const fields = FIELDS.get(record.kind);
  if (fields === undefined) throw new TypeError("an audit record has an unknown kind");
  const result: Record<string, string | number> = { kind: record.kind };
  const values = record as unknown as Readonly<Record<string, unknown>>;
  for (const { name, field, needed } of fields) {
    const value = values[name];
    if (value === undefined && !needed) continue;
    result[name] = encodeField(field, value, name);
  }
  return result;
}
