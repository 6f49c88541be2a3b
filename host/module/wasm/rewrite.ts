/** Writes the limits of the configuration into a module: the maximum size of its memory and of its tables. */
import { concat, type Edit, edited, leb } from "./encode.ts";
import type { Limits, Module, Section } from "./module.ts";
import { MAX_PAGES, type Span } from "./types.ts";

/** The maximum sizes that the configuration allows. */
export interface Caps {
  /** Pages of 64 KiB. */
  readonly memoryPages: number;
  /** Maximum number of entries of each table. */
  readonly tableEntries: number;
}

const TABLE_SECTION = 4;
const MEMORY_SECTION = 5;

/**
 * Lowers the maxima of a module to the caps, and adds missing ones. Everything else stays the same.
 * @param bytes the whole file
 * @param module the parsed `bytes`
 * @returns the new file
 * @throws Error an initial size exceeds its cap; the message names the byte offset
 */
export function clampLimits(bytes: Uint8Array, module: Module, caps: Caps): Uint8Array {
  const pages = Math.min(caps.memoryPages, MAX_PAGES);
  const tables = clampAll(module.tables, module.tableLimits, caps.tableEntries, "table", "entries");
  const memories = clampAll(module.memories, module.memoryLimits, pages, "memory", "pages of 64 KiB");
  const parts: Uint8Array[] = [];
  let copied = 0;
  for (const section of module.sections) {
    const edits = section.id === TABLE_SECTION ? tables : section.id === MEMORY_SECTION ? memories : [];
    if (edits.length === 0) continue;
    const content = edited(bytes, { from: section.offset, to: section.offset + section.size }, edits);
    const size = content.reduce((total, part) => total + part.length, 0);
    parts.push(bytes.subarray(copied, headOf(module, section)), Uint8Array.from([section.id, ...leb(size)]));
    parts.push(...content);
    copied = section.offset + section.size;
  }
  parts.push(bytes.subarray(copied));
  return concat(parts);
}

function clampAll(
  all: readonly Limits[],
  spans: readonly Span[],
  cap: number,
  what: string,
  unit: string,
): Edit[] {
  return all.map((limits, i) => {
    const { from, to } = spans[i] as Span;
    if (limits.min > cap) {
      throw new Error(
        `the ${what} at byte ${from} has an initial size of ${limits.min} ${unit}, at most ${cap} are allowed`,
      );
    }
    const max = Math.min(limits.max ?? cap, cap);
    return { from, to, bytes: Uint8Array.from([1, ...leb(limits.min), ...leb(max)]) };
  });
}

/** Returns the offset of a section's id. Sections follow each other without gaps; the first one starts after the 8-byte header. */
export function headOf({ sections }: Module, section: Section): number {
  const before = sections[sections.indexOf(section) - 1];
  return before === undefined ? 8 : before.offset + before.size;
}
