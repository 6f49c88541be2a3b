/** The index spaces that a function body refers to, and the immediate of a memory access, used by plain and SIMD instructions. */
import { indexOutOfRange, type Reader } from "./reader.ts";
import { MULTI_MEMORY } from "./refused.ts";

/** The size of each index space. */
export interface Spaces {
  readonly types: number;
  readonly functions: number;
  readonly tables: number;
  readonly memories: number;
  readonly globals: number;
  readonly elements: number;
  /** The number in the data count section; 0 without one, because bodies may not use data segments then. */
  readonly data: number;
}

/** Reads the immediate of a memory access: alignment and offset. */
export function readAddress(reader: Reader, { memories }: Spaces): void {
  const at = reader.at;
  if (memories === 0) throw indexOutOfRange("memory", 0, 0, at);
  const alignment = reader.u32();
  // bit 6 set: a memory index follows
  if (alignment >= 64) throw new Error(`the memory access at byte ${at} has a memory index: ${MULTI_MEMORY}`);
  if (alignment > 4) {
    throw new Error(
      `the memory access at byte ${at} has the alignment 2^${alignment}, at most 2^4 is allowed`,
    );
  }
  reader.u32();
}
