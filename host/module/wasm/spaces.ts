/** What a body can refer to, and the immediate of a memory access, which plain and SIMD instructions share. */
import { noSuch, type Reader } from "./reader.ts";
import { MULTI_MEMORY } from "./refused.ts";

/** How many there are of what a body can refer to. */
export interface Spaces {
  readonly types: number;
  readonly functions: number;
  readonly tables: number;
  readonly memories: number;
  readonly globals: number;
  readonly elements: number;
  /** Of the data count section: without it, no body may name a data segment. */
  readonly data: number;
}

/** Alignment and offset of a memory access. */
export function readAddress(reader: Reader, { memories }: Spaces): void {
  const at = reader.at;
  if (memories === 0) throw noSuch("memory", 0, 0, at);
  const alignment = reader.u32();
  // bit 6 says that a memory's index follows
  if (alignment >= 64) throw new Error(`the memory access at byte ${at} names a memory: ${MULTI_MEMORY}`);
  if (alignment > 4) {
    throw new Error(
      `the memory access at byte ${at} has the alignment 2^${alignment}, at most 2^4 is possible`,
    );
  }
  reader.u32();
}
