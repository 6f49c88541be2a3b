/**
 * Parses a WebAssembly module without running or compiling it: the binary format of core specification 2.0, without threads, with
 * tail calls. Strict: it may refuse a module that the engine accepts, but it reads every accepted module as the engine does. So
 * every byte is read.
 */
import { Draft, type Export, type Import } from "./draft.ts";
import type { CallGraph } from "./graph.ts";
import { Reader } from "./reader.ts";
import type { References } from "./references.ts";
import { EXCEPTIONS } from "./refused.ts";
import * as sections from "./sections.ts";
import type { FuncType, Global, Limits, Span, Table } from "./types.ts";

export type { Export, Import } from "./draft.ts";
export type { ExternalKind, FuncType, Global, Limits, Table, ValType } from "./types.ts";

export interface ModuleOutline {
  /** Functions only; other kinds of imports are refused. */
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  /** The memories that the module defines: none or one. */
  readonly memories: readonly Limits[];
  readonly tables: readonly Table[];
  readonly globals: readonly Global[];
  /** Index of the function that instantiation runs. */
  readonly start?: number;
  readonly customSections: readonly CustomSection[];
  readonly sections: readonly Section[];
  /** Number of functions that the module defines. */
  readonly functionCount: number;
}

export interface CustomSection {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Section {
  readonly id: number;
  /** The name of a custom section. */
  readonly name?: string;
  /** Offset of the content in the file, after id and size. */
  readonly offset: number;
  /** Size of the content in bytes. */
  readonly size: number;
}

/** A parsed module, with the data that reach, clampLimits and the linker of host/provider need. */
export interface Module extends ModuleOutline {
  readonly types: readonly FuncType[];
  /** The type of each function: imported functions first, then those that the module defines. */
  readonly functions: readonly FuncType[];
  readonly calls: CallGraph;
  readonly memoryLimits: readonly Span[];
  readonly tableLimits: readonly Span[];
}

/** The part of a module that could be read. */
export interface PartialModule {
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
  readonly memories: readonly Limits[];
  readonly tables: readonly Table[];
  readonly sections: readonly Section[];
  readonly customSections: readonly CustomSection[];
  /** The whole module; absent if reading stopped early. */
  readonly module?: Module;
  /** Byte offset and reason if reading stopped early. */
  readonly stopped?: { readonly at: number; readonly why: string };
}

const PREAMBLE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** The preamble of a component: version 13, layer 1 (component-model, Binary.md). */
const COMPONENT = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

type SectionReader = readonly [id: number, name: string, read: (reader: Reader, draft: Draft) => void];

/** In the required order. */
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

/**
 * Parses a module.
 * @param bytes the whole file
 * @param references receives the place of each function index and of each body, for a caller that rewrites the module
 * @throws Error the module is malformed or uses a refused feature; the message names the byte offset
 */
export function readModule(bytes: Uint8Array, references?: References): Module {
  return readInto(bytes, new Reader(bytes, 0), new Draft(references), [], []);
}

/**
 * Parses as much of a module as possible, for inspection. Never throws.
 * @param bytes the whole file
 * @returns the contents up to the place where readModule throws
 */
export function readPartialModule(bytes: Uint8Array): PartialModule {
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
    // within a body the reader's position can lag; the message names the byte
    const offset = /\bbyte (\d+)/.exec(why)?.[1];
    return { ...read, stopped: { at: offset === undefined ? reader.at : Number(offset), why } };
  }
}

function readInto(
  bytes: Uint8Array,
  reader: Reader,
  draft: Draft,
  found: Section[],
  customSections: CustomSection[],
): Module {
  if (COMPONENT.every((byte, at) => bytes[at] === byte)) {
    throw new Error(
      "it is a WebAssembly component; a provider is a core module: build it for wasm32-unknown-unknown, or extract the core module",
    );
  }
  if (!PREAMBLE.every((byte, at) => bytes[at] === byte)) {
    throw new Error(
      "it does not start with the header of a WebAssembly core module (00 61 73 6d 01 00 00 00)",
    );
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

/** Reads one section. Returns its position in the required order. */
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
        ? `the tag section at byte ${at} belongs to ${EXCEPTIONS}`
        : `the section ${id} at byte ${at} is unknown`,
    );
  }
  const [, name, read] = section;
  if (place === last) throw new Error(`the ${name} section at byte ${at} is a duplicate`);
  if (place < last) {
    throw new Error(`the ${name} section at byte ${at} must come before the ${SECTIONS[last]?.[1]} section`);
  }
  read(reader, draft);
  if (reader.left > 0) {
    throw new Error(
      `the ${name} section at byte ${at} has ${size} bytes, but its content ends after ${reader.at - offset}`,
    );
  }
  return place;
}

function finish(draft: Draft, found: Section[], customSections: CustomSection[]): Module {
  const { types, functions, imports, exports, memories, tables, globals, start, calls } = draft;
  const { memoryLimits, tableLimits } = draft;
  const functionCount = draft.functions.length - imports.length;
  if (draft.bodies !== functionCount) {
    throw new Error(`the module declares ${functionCount} functions but has no code section`);
  }
  if (draft.dataCount !== undefined && draft.dataCount !== draft.data) {
    throw new Error(
      `the data count section declares ${draft.dataCount} data segments, but the module has ${draft.data}`,
    );
  }
  return {
    types,
    functions,
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
