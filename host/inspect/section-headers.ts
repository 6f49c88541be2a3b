/**
 * Reads the section headers of a module, also of one that the strict parser refuses, and after the byte at which it stopped. Never
 * throws. For display only: no decision depends on it.
 */
import type { CustomSection } from "../module/wasm/module.ts";
import { Reader } from "../module/wasm/reader.ts";

export interface SectionHeader {
  readonly id: number;
  /** Name of the section in the specification; for a custom section its own name, empty if it cannot be read. */
  readonly name: string;
  /** Offset of the content in the file. */
  readonly offset: number;
  /** Size of the content in bytes. */
  readonly size: number;
}

export interface SectionHeaders {
  readonly headers: readonly SectionHeader[];
  readonly customSections: readonly CustomSection[];
}

const NAMES = [
  "custom",
  "type",
  "import",
  "function",
  "table",
  "memory",
  "global",
  "export",
  "start",
  "element",
  "code",
  "data",
  "data count",
  "tag",
];
const PREAMBLE = "0061736d01000000";
/** More sections than the strict parser accepts. */
const MAX_SECTIONS = 1100;

/** @param bytes the whole file, or its beginning */
export function sectionHeadersOf(bytes: Uint8Array): SectionHeaders {
  const headers: SectionHeader[] = [];
  const customSections: CustomSection[] = [];
  if (Buffer.from(bytes.subarray(0, 8)).toString("hex") !== PREAMBLE) return { headers, customSections };
  const reader = new Reader(bytes, 8);
  try {
    while (reader.left > 0 && headers.length < MAX_SECTIONS) {
      const id = reader.byte();
      const size = reader.u32();
      const offset = reader.at;
      const content = reader.take(size);
      if (id === 0) {
        const custom = customOf(content);
        if (custom !== undefined) customSections.push(custom);
        headers.push({ id, name: custom?.name ?? "", offset, size });
      } else headers.push({ id, name: NAMES[id] ?? `unknown (${id})`, offset, size });
    }
  } catch {
    // a truncated section: the strict parser reports the byte
  }
  return { headers, customSections };
}

function customOf(content: Uint8Array): CustomSection | undefined {
  const reader = new Reader(content, 0);
  try {
    const name = reader.name();
    return { name, bytes: reader.take(reader.left) };
  } catch {
    return undefined;
  }
}
