/**
 * Where a module's sections are, by their heads alone: also of a module that strict reading refuses, and behind the place where it
 * stopped. Never throws; what it gives decides nothing.
 */
import type { CustomSection } from "../module/wasm/module.ts";
import { Reader } from "../module/wasm/reader.ts";

export interface Frame {
  readonly id: number;
  /** Of the specification; of a custom section its own, as far as it can be read. */
  readonly name: string;
  /** Where its content begins in the file. */
  readonly offset: number;
  readonly size: number;
}

export interface Frames {
  readonly frames: readonly Frame[];
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
/** More than strict reading takes. */
const MAX_FRAMES = 1100;

export function framesOf(bytes: Uint8Array): Frames {
  const frames: Frame[] = [];
  const customSections: CustomSection[] = [];
  if (Buffer.from(bytes.subarray(0, 8)).toString("hex") !== PREAMBLE) return { frames, customSections };
  const reader = new Reader(bytes, 8);
  try {
    while (reader.left > 0 && frames.length < MAX_FRAMES) {
      const id = reader.byte();
      const size = reader.u32();
      const offset = reader.at;
      const content = reader.take(size);
      if (id === 0) {
        const custom = customOf(content);
        if (custom !== undefined) customSections.push(custom);
        frames.push({ id, name: custom?.name ?? "", offset, size });
      } else frames.push({ id, name: NAMES[id] ?? `unknown (${id})`, offset, size });
    }
  } catch {
    // the head or the section is cut short: strict reading says where
  }
  return { frames, customSections };
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
