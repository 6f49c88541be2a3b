/**
 * Reads a WebAssembly module as the host must know it before it is run: strictly the binary format of core specification 2.0
 * without threads, with tail calls. It runs no code and compiles none. What it refuses, the engine might take; what it takes,
 * it has read as the engine does, which is why nothing is passed over unread.
 */
import { Draft, type Export, type Import } from "./draft.ts";
import type { CallGraph } from "./graph.ts";
import { Reader } from "./reader.ts";
import { EXCEPTIONS } from "./refused.ts";
import * as sections from "./sections.ts";
import type { Global, Limits, Span, Table } from "./types.ts";

export type { Export, Import } from "./draft.ts";
export type { ExternalKind, FuncType, Global, Limits, Table, ValType } from "./types.ts";

export interface ModuleOutline {
  /** Only functions: importing anything else is refused. */
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** The module's own memories: none or one. */
  readonly memories: readonly Limits[];
  readonly tables: readonly Table[];
  readonly globals: readonly Global[];
  /** Index of the function that instantiation runs. */
  readonly start?: number;
  readonly customSections: readonly CustomSection[];
  readonly sections: readonly Section[];
  /** The module's own functions. */
  readonly functionCount: number;
}

export interface CustomSection {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Section {
  readonly id: number;
  /** Of a custom section. */
  readonly name?: string;
  /** Where its content begins in the file, behind id and size. */
  readonly offset: number;
  /** Of its content, in bytes. */
  readonly size: number;
}

/** An outline with what reach and clampLimits need. */
export interface Module extends ModuleOutline {
  readonly calls: CallGraph;
  readonly memoryLimits: readonly Span[];
  readonly tableLimits: readonly Span[];
}

/** As much of a module as could be read. */
export interface SoFar {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  readonly memories: readonly Limits[];
  readonly tables: readonly Table[];
  readonly sections: readonly Section[];
  readonly customSections: readonly CustomSection[];
  /** Only of a module that was read to its end. */
  readonly module?: Module;
  /** Where and why reading stopped. */
  readonly stopped?: { readonly at: number; readonly why: string };
}

const PREAMBLE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

type SectionReader = readonly [id: number, name: string, read: (reader: Reader, draft: Draft) => void];

/** In the order in which they must come. */
const SECTIONS: readonly SectionReader[] = [
  [1, "type", sections.readTypes],
  [2, "import", sections.readImports],
  [3, "function", sections.readFunctions],
  [4, "table", sections.readTables],
  [5, "memory", sections.readMemories],
  [6, "global", sections.readGlobals],
  [7, "export", sections.readExports],
  [8, "start", sections.readStart],
  [9, "element", sections.readElements],
  [12, "data count", sections.readDataCount],
  [10, "code", sections.readCode],
  [11, "data", sections.readData],
];
const TAG_SECTION = 13;
const MAX_CUSTOM_SECTIONS = 1000;

/** @throws Error saying what is wrong or not allowed, and at which byte */
export function readModule(bytes: Uint8Array): Module {
  return readInto(bytes, new Reader(bytes, 0), new Draft(), [], []);
}

/** The same reading, for whoever wants to see what there is before the place where readModule would throw. */
export function readSoFar(bytes: Uint8Array): SoFar {
  const reader = new Reader(bytes, 0);
  const draft = new Draft();
  const sections: Section[] = [];
  const customSections: CustomSection[] = [];
  const { imports, exports, memories, tables } = draft;
  const read = { imports, exports, memories, tables, sections, customSections };
  try {
    return { ...read, module: readInto(bytes, reader, draft, sections, customSections) };
  } catch (error) {
    const why = (error as Error).message;
    // the walk over a body moves the reader rarely, but names its byte
    const named = /\bbyte (\d+)/.exec(why)?.[1];
    return { ...read, stopped: { at: named === undefined ? reader.at : Number(named), why } };
  }
}

function readInto(
  bytes: Uint8Array,
  reader: Reader,
  draft: Draft,
  found: Section[],
  customSections: CustomSection[],
): Module {
  if (!PREAMBLE.every((byte, at) => bytes[at] === byte)) {
    throw new Error("it does not begin as a WebAssembly core module does (00 61 73 6d 01 00 00 00)");
  }
  reader.at = PREAMBLE.length;
  let last = -1;
  while (reader.left > 0) {
    const at = reader.at;
    const id = reader.byte();
    const size = reader.u32();
    const offset = reader.at;
    reader.skip(size);
    reader.at = offset;
    reader.end = offset + size;
    if (id === 0) {
      if (customSections.length === MAX_CUSTOM_SECTIONS) {
        throw new Error(`more than ${MAX_CUSTOM_SECTIONS} custom sections at byte ${at}`);
      }
      const name = reader.name();
      customSections.push({ name, bytes: reader.take(reader.left) });
      found.push({ id, name, offset, size });
    } else {
      last = readSection(reader, draft, { id, offset, size }, at, last);
      found.push({ id, offset, size });
    }
    reader.end = bytes.length;
  }
  return finish(draft, found, customSections);
}

/** Gives the section's place in the order. */
function readSection(
  reader: Reader,
  draft: Draft,
  { id, offset, size }: Section,
  at: number,
  last: number,
): number {
  const place = SECTIONS.findIndex(([known]) => known === id);
  const section = SECTIONS[place];
  if (section === undefined) {
    throw new Error(
      id === TAG_SECTION
        ? `the tag section at byte ${at} is of ${EXCEPTIONS}`
        : `the section ${id} at byte ${at} is unknown`,
    );
  }
  const [, name, read] = section;
  if (place === last) throw new Error(`the ${name} section at byte ${at} is the second of its kind`);
  if (place < last) {
    throw new Error(`the ${name} section at byte ${at} comes behind the ${SECTIONS[last]?.[1]} section`);
  }
  read(reader, draft);
  if (reader.left > 0) {
    throw new Error(
      `the ${name} section at byte ${at} has ${size} bytes, its content ends after ${reader.at - offset}`,
    );
  }
  return place;
}

function finish(draft: Draft, found: Section[], customSections: CustomSection[]): Module {
  const { imports, exports, memories, tables, globals, start, calls, memoryLimits, tableLimits } = draft;
  const functionCount = draft.functions.length - imports.length;
  if (draft.bodies !== functionCount) {
    throw new Error(`the module has ${functionCount} functions and no code section`);
  }
  if (draft.dataCount !== undefined && draft.dataCount !== draft.data) {
    throw new Error(`the data count section says ${draft.dataCount}, there are ${draft.data} data segments`);
  }
  return {
    imports,
    exports,
    memories,
    tables,
    globals,
    ...(start === undefined ? {} : { start }),
    customSections,
    sections: found,
    functionCount,
    calls,
    memoryLimits,
    tableLimits,
  };
}
