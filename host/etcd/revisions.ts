/**
 * The newest revision of each key in etcd's bucket "key". Its keys are revisions: 8 bytes of the main revision, "_", 8 bytes of the sub revision, and
 * "t" for a deletion. Its values are mvccpb.KeyValue.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { KeyValueSchema } from "../../proto/etcd/v3/etcd_pb.ts";
import type { Step } from "./bolt-file.ts";
import { EtcdFault } from "./etcd-fault.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: no key of the API server has them
const CONTROL = /[\x00-\x1f\x7f]/;
const REVISION = 17;
const TOMBSTONE = 0x74;
/** Keys that are held in memory, and their length together in bytes. etcd's largest quota is 8 GiB. */
const MAX_KEYS = 4_000_000;
const MAX_KEY_BYTES = 256 << 20;

/** A key and its newest value. */
export interface StoredKey {
  readonly key: string;
  readonly value: Uint8Array;
}

export type RevisionStep =
  | { readonly stored: StoredKey; readonly revision: number }
  | { readonly fault: string };

/**
 * @param steps the elements of the bucket, from the last to the first
 * @param prefix of the keys that are wanted
 * @throws EtcdFault there are too many keys
 */
export function* newestRevisions(steps: Iterable<Step>, prefix: string): Generator<RevisionStep> {
  const seen = new Set<string>();
  let bytes = 0;
  let before: Buffer | undefined;
  for (const step of steps) {
    if ("fault" in step) {
      yield step;
      continue;
    }
    const { key: revision, value } = step.element;
    const fault = revisionFault(revision, before);
    const read = fault === undefined ? readKey(value) : undefined;
    if (fault !== undefined || read === undefined) {
      yield { fault: fault ?? `the value of revision ${nameOf(revision)} is damaged` };
      continue;
    }
    // A copy: a part of a page would keep the whole page in memory.
    before = Buffer.from(revision);
    if (!read.key.startsWith(prefix) || seen.has(read.key)) continue;
    seen.add(read.key);
    bytes += read.key.length;
    checkLimits(seen.size, bytes);
    if (revision.length === REVISION) yield { stored: read, revision: Number(revision.readBigUInt64BE(0)) };
  }
}

/** The order matters: without it an older revision could be taken for the newest. */
function revisionFault(revision: Buffer, before: Buffer | undefined): string | undefined {
  const isDeletion = revision.length === REVISION + 1 && revision[REVISION] === TOMBSTONE;
  if ((revision.length !== REVISION && !isDeletion) || revision[8] !== 0x5f)
    return `a key of ${revision.length} bytes is not a revision`;
  if (before !== undefined && revision.compare(before, 0, REVISION, 0, REVISION) >= 0)
    return `revision ${nameOf(revision)} is out of order`;
  return undefined;
}

function nameOf(revision: Buffer): string {
  return `${revision.readBigUInt64BE(0)}_${revision.readBigUInt64BE(9)}`;
}

function readKey(value: Buffer): StoredKey | undefined {
  try {
    const read = fromBinary(KeyValueSchema, value, { readUnknownFields: false });
    const key = Buffer.from(read.key).toString("latin1");
    // Keys are printed and values are not. A key whose length is damaged goes on in its value, and has the tag of the next field.
    return CONTROL.test(key) ? undefined : { key, value: read.value };
  } catch {
    return undefined;
  }
}

function checkLimits(keys: number, bytes: number): void {
  if (keys <= MAX_KEYS && bytes <= MAX_KEY_BYTES) return;
  throw new EtcdFault(
    `it has more than ${MAX_KEYS} keys or ${MAX_KEY_BYTES} bytes of keys`,
    "Give a longer --prefix, such as /registry/secrets, and scan each resource by itself.",
  );
}
