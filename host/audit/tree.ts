/**
 * The Merkle tree of RFC 6962, section 2.1, over the lines of a log; checkpoints of transparency logs contain its root. Only the roots of
 * the full subtrees on the left are kept, at most 53.
 */
import { hash } from "node:crypto";
import { LONGEST_LINE } from "./record.ts";

const HASH = 32;

export class Tree {
  #size = 0;
  /** The roots of the full subtrees, the largest first; their sizes are the powers of two whose sum is the size of the tree. */
  readonly #roots: Buffer[] = [];

  /** The number of lines. */
  get size(): number {
    return this.#size;
  }

  /** Adds a line, without its newline. */
  add(line: Uint8Array): void {
    let root = leafHash(line);
    // two full subtrees of the same size form one of twice the size
    for (let rest = this.#size; rest % 2 === 1; rest = Math.floor(rest / 2))
      root = nodeHash(this.#roots.pop() as Buffer, root);
    this.#roots.push(root);
    this.#size += 1;
  }

  root(): Buffer {
    if (this.#size === 0) return digest(Buffer.alloc(0));
    return this.#roots.reduceRight((right, left) => nodeHash(left, right));
  }
}

const leaf = Buffer.alloc(1 + LONGEST_LINE);

function leafHash(line: Uint8Array): Buffer {
  leaf[0] = 0;
  leaf.set(line, 1);
  return digest(leaf.subarray(0, 1 + line.length));
}

const node = Buffer.alloc(1 + 2 * HASH);

function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node[0] = 1;
  node.set(left, 1);
  node.set(right, 1 + HASH);
  return digest(node);
}

function digest(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

/** A range of lines, with 0-based indexes; `to` is exclusive. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** Returns the subtrees whose roots prove that the tree of `size` lines extends the tree of `old` lines (RFC 6962, section 2.1.2). */
export function consistencyRanges(old: number, size: number): Range[] {
  return old === 0 ? [] : subproof(old, 0, size, true);
}

function subproof(old: number, from: number, to: number, isWhole: boolean): Range[] {
  if (old === to - from) return isWhole ? [] : [{ from, to }];
  let half = 1;
  while (2 * half < to - from) half *= 2;
  const middle = from + half;
  return old <= half
    ? [...subproof(old, from, middle, isWhole), { from: middle, to }]
    : [...subproof(old - half, middle, to, false), { from, to: middle }];
}
