/**
 * Walks one bucket of a bbolt file, from its last key to its first, without loading the file. Each page is read at most once, so that a forged file
 * cannot make the walk endless; a damaged page is reported, and the walk continues with the next.
 */
import {
  childrenOf,
  elementsFault,
  headerOf,
  isBranch,
  isLeaf,
  type LeafElement,
  leafElement,
  type Meta,
  metaOf,
  PAGE_HEADER,
  PageFault,
  type PageHeader,
  u64,
} from "./bolt-page.ts";
import { EtcdFault } from "./etcd-fault.ts";

/** Reads a part of the file. @returns fewer bytes at its end */
export type Read = (position: number, length: number) => Buffer;

const PAGE_SIZES: readonly number[] = Array.from({ length: 7 }, (_, i) => 1024 << i);
/** A page with its overflow. etcd writes a value of up to 1.5 MiB by default. */
const MAX_PAGE = 64 << 20;
/** The depth of a file of 8 GiB, etcd's largest quota, is 4 to 6. */
const MAX_DEPTH = 32;
const BUCKET_HEADER = 16;

export type Step =
  | { readonly element: LeafElement }
  /** A page, or a part of one, that cannot be read. */
  | { readonly fault: string };

export class BoltFile {
  readonly #read: Read;
  readonly #size: number;
  readonly #meta: Meta;
  readonly #visited: Uint8Array;

  /** @throws EtcdFault the file is not a bbolt file, or both of its meta pages are damaged */
  constructor(read: Read, size: number) {
    this.#read = read;
    this.#size = size;
    this.#meta = newestMeta(read, size);
    this.#visited = new Uint8Array(Math.ceil(size / this.#meta.pageSize / 8));
  }

  /** True if the file was written since it was opened. */
  wasWritten(): boolean {
    return newestMeta(this.#read, this.#size).transaction !== this.#meta.transaction;
  }

  /**
   * @param name of a bucket of the root, in ASCII
   * @throws EtcdFault there is no such bucket
   */
  *elements(name: string): Generator<Step> {
    const faults: string[] = [];
    for (const step of this.#walk(this.#meta.root, 0)) {
      if ("fault" in step) faults.push(step.fault);
      else if (step.element.isBucket && step.element.key.toString("latin1") === name)
        return yield* this.#bucket(step.element.value);
    }
    const why = faults.length === 0 ? "" : `: ${faults[0]}`;
    throw new EtcdFault(
      `it has no bucket "${name}"${why}`,
      "Give a snapshot of etcd, or member/snap/db of a stopped etcd.",
    );
  }

  *#bucket(value: Buffer): Generator<Step> {
    if (value.length < BUCKET_HEADER) return yield { fault: "the header of the bucket is cut" };
    const root = u64(value, 0);
    if (root !== 0) return yield* this.#walk(root, 0);
    // A small bucket is stored in its parent's page.
    const page = value.subarray(BUCKET_HEADER);
    if (page.length < PAGE_HEADER) return yield { fault: "the page in the bucket is cut" };
    yield* leafSteps(page, headerOf(page), "the page in the bucket");
  }

  *#walk(id: number, depth: number): Generator<Step> {
    const name = `page ${id}`;
    try {
      const { page, header } = this.#page(id, depth);
      if (isLeaf(header)) return yield* leafSteps(page, header, name);
      for (const child of childrenOf(page, header).toReversed()) yield* this.#walk(child, depth + 1);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      yield { fault: `${name}: ${error.message}` };
    }
  }

  #page(id: number, depth: number): { page: Buffer; header: PageHeader } {
    const { pageSize } = this.#meta;
    if (depth > MAX_DEPTH) throw new PageFault(`it is ${depth} levels deep, at most ${MAX_DEPTH} are read`);
    if (id < 2 || (id + 1) * pageSize > this.#size) throw new PageFault("it lies outside of the file");
    if (this.#visit(id)) throw new PageFault("two pages lead to it");
    const header = headerOf(this.#read(id * pageSize, PAGE_HEADER));
    if (header.id !== id) throw new PageFault(`it has the number of page ${header.id}`);
    if (!isLeaf(header) && !isBranch(header))
      throw new PageFault("it is neither a leaf nor a branch of the tree");
    const length = (header.overflow + 1) * pageSize;
    if (length > MAX_PAGE) throw new PageFault(`it is ${length} bytes, at most ${MAX_PAGE} are read`);
    const page = this.#read(id * pageSize, length);
    if (page.length < length) throw new PageFault("its end lies outside of the file");
    return { page, header };
  }

  /** @returns true if the page was visited before */
  #visit(id: number): boolean {
    const bit = 1 << (id & 7);
    const byte = this.#visited[id >> 3] ?? 0;
    this.#visited[id >> 3] = byte | bit;
    return (byte & bit) !== 0;
  }
}

function* leafSteps(page: Buffer, header: PageHeader, name: string): Generator<Step> {
  const fault = elementsFault(page, header);
  if (fault !== undefined) return yield { fault: `${name}: ${fault}` };
  for (let i = header.count - 1; i >= 0; i--)
    try {
      yield { element: leafElement(page, header, i) };
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      yield { fault: `${name}: ${error.message}` };
    }
}

/** The newer one of the two meta pages: the other one is that of the transaction before. */
function newestMeta(read: Read, size: number): Meta {
  const found: Meta[] = [];
  for (const at of [0, ...PAGE_SIZES]) {
    const meta = metaOf(read(at, PAGE_HEADER + 64));
    if (meta === undefined || !PAGE_SIZES.includes(meta.pageSize)) continue;
    if ((at === 0 || at === meta.pageSize) && meta.pages * meta.pageSize <= size) found.push(meta);
  }
  const [newest] = found.toSorted((a, b) => b.transaction - a.transaction);
  if (newest !== undefined) return newest;
  throw new EtcdFault(
    "it is not a bbolt file, or both of its meta pages are damaged or its end is missing",
    "Give a snapshot of etcd (etcdctl snapshot save), or member/snap/db of a stopped etcd.",
  );
}
