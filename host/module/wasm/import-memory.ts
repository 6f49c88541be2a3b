/**
 * Turns the memory that a module defines into one that it imports: the process of a provider hands each new instance a memory that it has
 * zeroed itself (docs/decisions/0038-zeroed-memories.md). Nothing else changes: a module has one memory, so its index stays 0, and imports of
 * memories do not shift the indices of functions.
 */

import { concat, leb } from "./encode.ts";
import type { Module } from "./module.ts";
import { headOf } from "./rewrite.ts";

/** The name of the import. Guests cannot import it themselves: the contract has no such namespace. */
export const HOST_MEMORY = { module: "host", name: "memory" } as const;

const IMPORT_SECTION = 2;
const MEMORY_SECTION = 5;
const MEMORY_KIND = 2;
const encoder = new TextEncoder();

/**
 * @param bytes the whole file
 * @param module the parsed `bytes`
 * @returns the new file; the same bytes if the module has no memory
 */
export function importMemory(bytes: Uint8Array, module: Module): Uint8Array {
  const [span] = module.memoryLimits;
  if (span === undefined) return bytes;
  const entry = Uint8Array.from([
    ...name(HOST_MEMORY.module),
    ...name(HOST_MEMORY.name),
    MEMORY_KIND,
    ...bytes.subarray(span.from, span.to),
  ]);
  const imports = importSection(bytes, module, entry);
  // Sections are in the order of their ids. Custom sections have the id 0 and are anywhere.
  const next = module.sections.find(({ id }) => id > IMPORT_SECTION);
  const parts = module.sections.flatMap((section) => {
    const own = bytes.subarray(headOf(module, section), section.offset + section.size);
    if (section.id === IMPORT_SECTION || section.id === MEMORY_SECTION)
      return section === next ? [imports] : [];
    return section === next ? [imports, own] : [own];
  });
  return concat([bytes.subarray(0, 8), ...parts]);
}

/** The import section with one more entry, from its id on. */
function importSection(bytes: Uint8Array, { sections, imports }: Module, entry: Uint8Array): Uint8Array {
  const section = sections.find(({ id }) => id === IMPORT_SECTION);
  const old = section && bytes.subarray(section.offset, section.offset + section.size);
  const count = leb(imports.length + 1);
  const entries = old?.subarray(old.findIndex((byte) => byte < 128) + 1) ?? new Uint8Array();
  const size = leb(count.length + entries.length + entry.length);
  return concat([Uint8Array.from([IMPORT_SECTION, ...size, ...count]), entries, entry]);
}

function name(text: string): number[] {
  const bytes = encoder.encode(text);
  return [...leb(bytes.length), ...bytes];
}
