/**
 * Pages of a bbolt file (format version 2, little-endian), the store of etcd. Each offset and size is compared with the page before it is used: the
 * file may be damaged or forged.
 */

export const PAGE_HEADER = 16;
const ELEMENT = 16;
const BRANCH = 0x01;
const LEAF = 0x02;
const META = 0x04;
const MAGIC = 0xed0cdaed;
const VERSION = 2;
const BUCKET = 0x01;

/** A fault of one page, as the end of a sentence: the rest of the file may be readable. */
export class PageFault extends Error {}

export interface PageHeader {
  readonly id: number;
  readonly flags: number;
  /** Number of elements. */
  readonly count: number;
  /** Number of pages that follow and belong to this one. */
  readonly overflow: number;
}

export interface Meta {
  readonly pageSize: number;
  /** The page of the root bucket. */
  readonly root: number;
  /** The number of pages of the file. */
  readonly pages: number;
  /** Grows with each transaction. */
  readonly transaction: number;
}

export interface LeafElement {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly isBucket: boolean;
}

/** @param bytes at least PAGE_HEADER */
export function headerOf(bytes: Buffer): PageHeader {
  return {
    id: u64(bytes, 0),
    flags: bytes.readUInt16LE(8),
    count: bytes.readUInt16LE(10),
    overflow: bytes.readUInt32LE(12),
  };
}

export function isBranch({ flags }: PageHeader): boolean {
  return flags === BRANCH;
}

export function isLeaf({ flags }: PageHeader): boolean {
  return flags === LEAF;
}

/** @returns undefined if the bytes are not a meta page with a correct checksum */
export function metaOf(page: Buffer): Meta | undefined {
  if (page.length < PAGE_HEADER + 64 || headerOf(page).flags !== META) return undefined;
  const meta = page.subarray(PAGE_HEADER);
  if (meta.readUInt32LE(0) !== MAGIC || meta.readUInt32LE(4) !== VERSION) return undefined;
  if (meta.readBigUInt64LE(56) !== fnv1a(meta.subarray(0, 56))) return undefined;
  return {
    pageSize: meta.readUInt32LE(8),
    root: u64(meta, 16),
    pages: u64(meta, 40),
    transaction: u64(meta, 48),
  };
}

/** @returns the page of each child. @throws PageFault */
export function childrenOf(page: Buffer, header: PageHeader): number[] {
  const { count } = header;
  const fault = elementsFault(page, header);
  if (fault !== undefined) throw new PageFault(fault);
  return Array.from({ length: count }, (_, i) => u64(page, PAGE_HEADER + i * ELEMENT + 8));
}

/**
 * @param page a leaf without elementsFault
 * @throws PageFault
 */
export function leafElement(page: Buffer, { count }: PageHeader, index: number): LeafElement {
  const at = PAGE_HEADER + index * ELEMENT;
  const start = at + page.readUInt32LE(at + 4);
  const middle = start + page.readUInt32LE(at + 8);
  const end = middle + page.readUInt32LE(at + 12);
  if (start < PAGE_HEADER + count * ELEMENT || end > page.length)
    throw new PageFault(`its element ${index} lies outside of it`);
  const isBucket = (page.readUInt32LE(at) & BUCKET) !== 0;
  return { key: page.subarray(start, middle), value: page.subarray(middle, end), isBucket };
}

/** @returns the fault of a page whose elements do not fit, as the end of a sentence */
export function elementsFault(page: Buffer, { count }: PageHeader): string | undefined {
  if (PAGE_HEADER + count * ELEMENT <= page.length) return undefined;
  return `it has ${count} elements, which is more than fit into its ${page.length} bytes`;
}

/** A number beyond 2^53 loses its last digits, and is out of every range here. */
export function u64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

/** FNV-1a with 64 bits, the checksum of a meta page. */
export function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
