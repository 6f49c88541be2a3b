/** Compares the lines of a log with signed notes that were kept elsewhere, and computes the tree up to the last checkpoint. */
import type { TreeHead } from "./note.ts";
import { Tree } from "./tree.ts";

export class TreeHeads {
  readonly #tree = new Tree();
  /** By size, ascending. */
  readonly #heads: readonly TreeHead[];
  #next = 0;
  #broken = false;
  #signed: { readonly size: number; readonly root: Buffer } | undefined;

  constructor(heads: readonly TreeHead[]) {
    this.#heads = heads.toSorted((a, b) => a.size - b.size);
  }

  /** Records that lines are missing: from here on, no tree can be computed. */
  missLines(): void {
    this.#broken = true;
  }

  /** Takes the next line. @returns its fault as the end of a sentence, if there is one */
  line(bytes: Uint8Array, kind: string): string | undefined {
    if (this.#broken) return undefined;
    this.#tree.add(bytes);
    const { size } = this.#tree;
    if (kind === "checkpoint") this.#signed = { size, root: this.#tree.root() };
    for (let head = this.#heads[this.#next]; head !== undefined && head.size <= size; ) {
      this.#next += 1;
      if (head.size === size && !head.root.equals(this.#tree.root()))
        return `the lines up to it do not match the signed note over ${size} lines`;
      head = this.#heads[this.#next];
    }
    return undefined;
  }

  /** The tree up to the last checkpoint; undefined if it cannot be computed or there is no checkpoint. */
  get signed(): { readonly size: number; readonly root: Buffer } | undefined {
    return this.#broken ? undefined : this.#signed;
  }

  /** The sizes of the notes that were not compared; `isCut`: because the log ends earlier. */
  get open(): { readonly size: number; readonly isCut: boolean }[] {
    return this.#heads.slice(this.#next).map(({ size }) => ({ size, isCut: !this.#broken }));
  }
}
