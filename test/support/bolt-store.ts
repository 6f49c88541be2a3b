/** Writes small stores in the format of bbolt and etcd, to be damaged by tests. Real ones are in test/e2e/migrate.test.ts. */
import { create, toBinary } from "@bufbuild/protobuf";
import { fnv1a } from "../../host/etcd/bolt-page.ts";
import { EncryptedObjectSchema, KeyValueSchema } from "../../proto/etcd/v3/etcd_pb.ts";

export const PAGE_SIZE = 1024;
const HEADER = 16;
const ELEMENT = 16;

export interface Pair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly isBucket?: boolean;
}

export interface Revision {
  readonly key: string;
  /** undefined: the key is deleted. */
  readonly value?: Uint8Array;
}

/** The bytes of an object under KMS v2. */
export function encrypted(keyId: string, provider = "kleidi", data = new Uint8Array(80)): Buffer {
  const object = create(EncryptedObjectSchema, {
    encryptedData: data,
    keyId,
    encryptedDekSource: new Uint8Array(40),
    annotations: { "format.kleidi.dev": Uint8Array.of(0x31) },
    encryptedDekSourceType: 1,
  });
  return Buffer.concat([Buffer.from(`k8s:enc:kms:v2:${provider}:`), toBinary(EncryptedObjectSchema, object)]);
}

/** The elements of etcd's bucket "key", in the order of their revisions, which begin with 2. */
export function revisions(changes: readonly Revision[]): Pair[] {
  return changes.map(({ key, value }, i) => {
    const revision = Buffer.alloc(17, "_");
    revision.writeBigUInt64BE(BigInt(i + 2), 0);
    revision.writeBigUInt64BE(0n, 9);
    const message = create(KeyValueSchema, {
      key: Buffer.from(key),
      modRevision: BigInt(i + 2),
      value: value ?? new Uint8Array(),
    });
    const suffix = value === undefined ? Buffer.from("t") : Buffer.alloc(0);
    return { key: Buffer.concat([revision, suffix]), value: toBinary(KeyValueSchema, message) };
  });
}

/** A page of a leaf, with its overflow. */
export function leaf(id: number, pairs: readonly Pair[], pageSize = PAGE_SIZE): Buffer {
  const size = pairs.reduce((sum, { key, value }) => sum + ELEMENT + key.length + value.length, HEADER);
  const pages = Math.max(1, Math.ceil(size / pageSize));
  const page = pageOf(id, 2, pairs.length, pages, pageSize);
  let data = HEADER + pairs.length * ELEMENT;
  for (const [i, { key, value, isBucket = false }] of pairs.entries()) {
    const at = HEADER + i * ELEMENT;
    page.writeUInt32LE(isBucket ? 1 : 0, at);
    page.writeUInt32LE(data - at, at + 4);
    page.writeUInt32LE(key.length, at + 8);
    page.writeUInt32LE(value.length, at + 12);
    page.set(key, data);
    page.set(value, data + key.length);
    data += key.length + value.length;
  }
  return page;
}

/** A page of a branch with these children; their keys are empty, because a walk does not read them. */
export function branch(id: number, children: readonly number[], pageSize = PAGE_SIZE): Buffer {
  const page = pageOf(id, 1, children.length, 1, pageSize);
  for (const [i, child] of children.entries()) page.writeBigUInt64LE(BigInt(child), HEADER + i * ELEMENT + 8);
  return page;
}

/** The header of a bucket whose root is a page of its own. */
export function bucket(root: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeBigUInt64LE(BigInt(root), 0);
  return header;
}

export function meta(id: number, transaction: number, pages: number, pageSize = PAGE_SIZE): Buffer {
  const page = pageOf(id, 4, 0, 1, pageSize);
  const fields = page.subarray(HEADER);
  fields.writeUInt32LE(0xed0cdaed, 0);
  fields.writeUInt32LE(2, 4);
  fields.writeUInt32LE(pageSize, 8);
  fields.writeBigUInt64LE(2n, 16); // the root bucket
  fields.writeBigUInt64LE(BigInt(pages), 40);
  fields.writeBigUInt64LE(BigInt(transaction), 48);
  fields.writeBigUInt64LE(fnv1a(fields.subarray(0, 56)), 56);
  return page;
}

/** A file: two meta pages, the root bucket with the bucket "key" on page 3, and the pages from 3 on. */
export function storeOf(pages: readonly Buffer[], root = leaf(2, [keyBucket(bucket(3))])): Buffer {
  const rest = Buffer.concat([root, ...pages]);
  const count = 2 + rest.length / PAGE_SIZE;
  return Buffer.concat([meta(0, 7, count), meta(1, 8, count), rest]);
}

export function keyBucket(value: Uint8Array): Pair {
  return { key: Buffer.from("key"), value, isBucket: true };
}

/** A file with a branch over one leaf for every four revisions. */
export function storeWith(changes: readonly Revision[]): Buffer {
  const leaves: Buffer[] = [];
  let next = 4;
  const children: number[] = [];
  const all = revisions(changes);
  for (let i = 0; i < all.length; i += 4) {
    const page = leaf(next, all.slice(i, i + 4));
    children.push(next);
    next += page.length / PAGE_SIZE;
    leaves.push(page);
  }
  return storeOf([branch(3, children), ...leaves]);
}

function pageOf(id: number, flags: number, count: number, pages: number, pageSize: number): Buffer {
  const page = Buffer.alloc(pages * pageSize);
  page.writeBigUInt64LE(BigInt(id), 0);
  page.writeUInt16LE(flags, 8);
  page.writeUInt16LE(count, 10);
  page.writeUInt32LE(pages - 1, 12);
  return page;
}
