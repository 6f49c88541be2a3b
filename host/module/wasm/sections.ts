/** One function for each kind of section (core specification 2.0, section 5.5). The reader ends at the end of the section. */
import { walkBody } from "./body.ts";
import type { Draft } from "./draft.ts";
import { readConstant } from "./expression.ts";
import { hex, type Reader } from "./reader.ts";
import { EXCEPTIONS, GC, MULTI_MEMORY } from "./refused.ts";
import { type ExternalKind, readFuncType, readLimits, readRefType, readValType } from "./types.ts";

// an entry takes more memory than bytes in the file; these limits keep the analysis of a hostile module small
const MAX_TYPE_SECTION = 1 << 20;
const MAX_FUNCTIONS = 100_000;
const MAX_GLOBALS = 100_000;
/** The width of the bit sets in reach.ts. */
const MAX_IMPORTS = 256;
/** Each table may grow to the limit that clampLimits writes. */
const MAX_TABLES = 16;
const MAX_EXPORTS = 10_000;

export function readTypes(reader: Reader, { types }: Draft): void {
  if (reader.left > MAX_TYPE_SECTION) {
    throw new Error(
      `the type section at byte ${reader.at} has ${reader.left} bytes, at most ${MAX_TYPE_SECTION} are allowed`,
    );
  }
  for (let left = reader.count(3); left > 0; left--) types.push(readFuncType(reader));
}

export function readImports(reader: Reader, { imports, functions, types }: Draft): void {
  for (let left = reader.count(4, MAX_IMPORTS, "imports"); left > 0; left--) {
    const module = reader.name();
    const name = reader.name();
    const at = reader.at;
    const kind = reader.byte();
    if (kind !== 0) {
      const what = ["", "a table", "a memory", "a global", "a tag"][kind];
      if (what === undefined) throw new Error(`the import at byte ${at} has the unknown kind ${hex(kind)}`);
      throw new Error(`the import at byte ${at} is ${what}; only functions can be imported`);
    }
    const type = types[reader.index(types.length, "type")] as Draft["types"][number];
    imports.push({ module, name, kind: "function", type });
    functions.push(type);
  }
}

export function readFunctions(reader: Reader, { functions, types }: Draft): void {
  for (let left = reader.count(1, MAX_FUNCTIONS, "functions"); left > 0; left--) {
    functions.push(types[reader.index(types.length, "type")] as Draft["types"][number]);
  }
}

export function readTables(reader: Reader, { tables, tableLimits }: Draft): void {
  for (let left = reader.count(3, MAX_TABLES, "tables"); left > 0; left--) {
    const at = reader.at;
    if (reader.bytes[at] === 0x40)
      throw new Error(`the table at byte ${at} has an initial value, which belongs to ${GC}`);
    const element = readRefType(reader);
    const from = reader.at;
    tables.push({ ...readLimits(reader, "table"), element });
    tableLimits.push({ from, to: reader.at });
  }
}

export function readMemories(reader: Reader, { memories, memoryLimits }: Draft): void {
  const at = reader.at;
  const count = reader.count(2);
  if (count > 1) throw new Error(`the module has ${count} memories at byte ${at}: ${MULTI_MEMORY}`);
  for (let left = count; left > 0; left--) {
    const from = reader.at;
    memories.push(readLimits(reader, "memory"));
    memoryLimits.push({ from, to: reader.at });
  }
}

export function readGlobals(reader: Reader, draft: Draft): void {
  for (let left = reader.count(4, MAX_GLOBALS, "globals"); left > 0; left--) {
    const type = readValType(reader);
    const at = reader.at;
    const mutable = reader.byte();
    if (mutable > 1) throw new Error(`the global's mutability at byte ${at} is ${hex(mutable)}, not 0 or 1`);
    draft.globals.push({ type, mutable: mutable === 1 });
    readEntry(reader, draft);
  }
}

const KINDS: readonly ExternalKind[] = ["function", "table", "memory", "global"];

export function readExports(reader: Reader, { exports, functions, tables, memories, globals }: Draft): void {
  const counts = [functions.length, tables.length, memories.length, globals.length];
  const names = new Set<string>();
  for (let left = reader.count(3, MAX_EXPORTS, "exports"); left > 0; left--) {
    const at = reader.at;
    const name = reader.name();
    if (names.has(name)) throw new Error(`the export at byte ${at} has a duplicate name`);
    names.add(name);
    const code = reader.byte();
    if (code === 4) throw new Error(`the export at byte ${at} is a tag, which belongs to ${EXCEPTIONS}`);
    const kind = KINDS[code];
    if (kind === undefined) throw new Error(`the export at byte ${at} has the unknown kind ${hex(code)}`);
    const index = reader.index(counts[code] as number, kind);
    const type = kind === "function" ? functions[index] : undefined;
    exports.push(type === undefined ? { name, kind, index } : { name, kind, index, type });
  }
}

export function readStart(reader: Reader, draft: Draft): void {
  const at = reader.at;
  const index = reader.index(draft.functions.length, "function");
  const type = draft.functions[index];
  if (type === undefined || type.params.length + type.results.length > 0) {
    throw new Error(`the start function ${index} at byte ${at} has parameters or results`);
  }
  draft.start = index;
}

/** Flags: bit 0 passive or declarative; bit 1 declarative if bit 0 is set, else explicit table index; bit 2 expressions instead of indexes. */
export function readElements(reader: Reader, draft: Draft): void {
  const functions = draft.functions.length;
  for (let left = reader.count(2); left > 0; left--) {
    const at = reader.at;
    const flags = reader.u32();
    if (flags > 7) throw new Error(`the element segment at byte ${at} has the unknown flags ${flags}`);
    if ((flags & 1) === 0) {
      if (flags & 2) reader.index(draft.tables.length, "table");
      else if (draft.tables.length === 0) throw new Error(`the element segment at byte ${at} has no table`);
      readEntry(reader, draft);
    }
    const expressions = (flags & 4) !== 0;
    if (flags & 3) {
      if (expressions) readRefType(reader);
      else readElementKind(reader);
    }
    for (let entries = reader.count(expressions ? 3 : 1); entries > 0; entries--) {
      if (expressions) readEntry(reader, draft);
      else {
        const from = reader.at;
        referTo(draft, reader.index(functions, "function"), from, reader.at);
      }
    }
    draft.elements += 1;
  }
}

function readElementKind(reader: Reader): void {
  const at = reader.at;
  const kind = reader.byte();
  if (kind !== 0)
    throw new Error(`the element kind at byte ${at} is ${hex(kind)}, only functions (0x00) are known`);
}

/** Reads a constant expression. A function that it refers to could be put in a table. */
function readEntry(reader: Reader, draft: Draft): void {
  const from = reader.at;
  const target = readConstant(reader, draft.functions.length);
  // the index stands between the opcode and end
  if (target !== undefined) referTo(draft, target, from + 1, reader.at - 1);
}

function referTo({ calls }: Draft, target: number, from: number, to: number): void {
  calls.inTable[target] = 1;
  calls.references?.add(target, from, to);
}

export function readDataCount(reader: Reader, draft: Draft): void {
  draft.dataCount = reader.u32();
}

export function readCode(reader: Reader, draft: Draft): void {
  const imported = draft.imports.length;
  const own = draft.functions.length - imported;
  const start = reader.at;
  const count = reader.count(3);
  if (count !== own)
    throw new Error(
      `the code section at byte ${start} has ${count} bodies, but the module declares ${own} functions`,
    );
  const spaces = {
    types: draft.types.length,
    functions: draft.functions.length,
    tables: draft.tables.length,
    memories: draft.memories.length,
    globals: draft.globals.length,
    elements: draft.elements,
    data: draft.dataCount ?? 0,
  };
  const { calls } = draft;
  for (let i = 0; i < count; i++) {
    const head = reader.at;
    const size = reader.u32();
    const end = reader.at + size;
    if (end > reader.end) reader.skip(size); // throws
    walkBody(reader, end, draft.functions[imported + i]?.params.length ?? 0, spaces, calls);
    calls.references?.bodies.push({ head, from: end - size, to: end });
    calls.nextCaller();
  }
  draft.bodies = count;
}

export function readData(reader: Reader, draft: Draft): void {
  const count = reader.count(2);
  for (let left = count; left > 0; left--) {
    const at = reader.at;
    const flags = reader.u32();
    if (flags > 2) throw new Error(`the data segment at byte ${at} has the unknown flags ${flags}`);
    if (flags === 2) reader.index(draft.memories.length, "memory");
    if (flags === 0 && draft.memories.length === 0)
      throw new Error(`the data segment at byte ${at} has no memory`);
    if (flags !== 1) readConstant(reader, draft.functions.length);
    reader.skip(reader.u32());
  }
  draft.data = count;
}
