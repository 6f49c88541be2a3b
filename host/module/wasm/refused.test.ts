/** Whatever readModule refuses: one module for each reason, which is at fault in nothing else. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { customSection, leb, moduleOf, PREAMBLE, section, text, wasm } from "../../../test/support/wasm.ts";
import { readModule } from "./module.ts";

const TYPE = section(1, 1, 0x60, 0, 0);
const FUNCTION = section(3, 1, 0);
const MEMORY = section(5, 1, 0, 1);
const TABLE = section(4, 1, 0x70, 0, 1);
const LONG = [0x80, 0x80, 0x80, 0x80, 0x80];

/** Bodies with nothing before them but their size: locals, instructions and end. */
function code(...bodies: readonly (readonly number[])[]): number[] {
  return section(10, bodies.length, ...bodies.flatMap((body) => [...leb(body.length), ...body]));
}

/** One function of this body, with its end but without locals; its first instruction is byte 34. */
function body(...instructions: readonly number[]): Uint8Array {
  return moduleOf(TYPE, FUNCTION, TABLE, MEMORY, code([0, ...instructions, 0x0b]));
}

type Vector = readonly [what: string, bytes: Uint8Array, message: string];

const NO_CORE_MODULE = "it does not begin as a WebAssembly core module does (00 61 73 6d 01 00 00 00)";
const EXCEPTIONS =
  "exception handling, which a guest may not use: it could catch what the host throws. Compile with -fno-exceptions";
const GC =
  "garbage collection or typed function references, which are not supported. Compile without them (-mno-gc)";
const THREADS = "threads, which are not supported. Compile without -pthread and with -mno-atomics";
const RELAXED =
  "relaxed SIMD, which is not supported: its results differ between machines. Compile with -mno-relaxed-simd";
const MEMORY64 = "64-bit addresses are not supported. Compile for wasm32";
const MULTI_MEMORY = "more than one memory is not supported. Compile with -mno-multimemory";

const FRAME: Vector[] = [
  [
    "1,001 custom sections",
    moduleOf(...Array(1001).fill([0, 1, 0])),
    "more than 1000 custom sections at byte 3008",
  ],
  ["no bytes", new Uint8Array(), NO_CORE_MODULE],
  ["a preamble cut short", Uint8Array.from(PREAMBLE.slice(0, 7)), NO_CORE_MODULE],
  ["text", Buffer.from("(module)"), NO_CORE_MODULE],
  ["binary version 2", Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), NO_CORE_MODULE],
  ["a component", Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), NO_CORE_MODULE],
  ["a section without its length", moduleOf([1]), "it is cut short at byte 9"],
  ["a section cut short", moduleOf([1, 2, 0]), "it is cut short: 2 bytes are claimed at byte 10, 1 are left"],
  [
    "a length over 32 bits",
    moduleOf([0, 0x80, 0x80, 0x80, 0x80, 0x10]),
    "the number before byte 14 is over 32 bits",
  ],
  ["a length of six bytes", moduleOf([0, ...LONG, 0]), "the number before byte 14 has more than 5 bytes"],
  ["an unknown section", moduleOf([14, 0]), "the section 14 at byte 8 is unknown"],
  ["a section of id 128", moduleOf([128, 0]), "the section 128 at byte 8 is unknown"],
  ["a tag section", moduleOf(TYPE, section(13, 1, 0, 0)), `the tag section at byte 14 is of ${EXCEPTIONS}`],
  [
    "a section twice",
    moduleOf(TYPE, customSection("between"), TYPE),
    "the type section at byte 24 is the second of its kind",
  ],
  [
    "sections out of order",
    moduleOf(section(5, 0), section(4, 0)),
    "the table section at byte 11 comes behind the memory section",
  ],
  [
    "a data count behind the code",
    moduleOf(section(10, 0), section(12, 0)),
    "the data count section at byte 11 comes behind the code section",
  ],
  [
    "a section longer than its content",
    moduleOf(section(1, 0, 0)),
    "the type section at byte 8 has 2 bytes, its content ends after 1",
  ],
  [
    "a section shorter than its content",
    moduleOf(section(1, 1, 0x60, 1, 0x7f)),
    "it is cut short at byte 14",
  ],
  ["an empty section", moduleOf([1, 0]), "it is cut short at byte 10"],
  [
    "a custom section whose name is longer than it",
    moduleOf([0, 1, 5], section(1, 0)),
    "it is cut short: 5 bytes are claimed at byte 11, 0 are left",
  ],
  ["a custom section without a name", moduleOf([0, 0], section(1, 0)), "it is cut short at byte 10"],
  ["a section's name that is no UTF-8", moduleOf([0, 2, 1, 0xff]), "the name at byte 10 is no UTF-8"],
  [
    "a section's name with half a surrogate pair",
    moduleOf([0, 4, 3, 0xed, 0xa0, 0x80]),
    "the name at byte 10 is no UTF-8",
  ],
];

const TYPES: Vector[] = [
  ["a struct type", moduleOf(section(1, 1, 0x5f, 0, 0)), `the type form 0x5f at byte 11 is of ${GC}`],
  [
    "a recursive type",
    moduleOf(section(1, 1, 0x4e, 1, 0x60, 0, 0)),
    `the type form 0x4e at byte 11 is of ${GC}`,
  ],
  [
    "a type of typed references",
    moduleOf(section(1, 1, 0x60, 1, 0x64, 0x70, 0)),
    `the type 0x64 at byte 13 is of ${GC}`,
  ],
  ["a type of anyref", moduleOf(section(1, 1, 0x60, 0, 1, 0x6e)), `the type 0x6e at byte 14 is of ${GC}`],
  [
    "a type of exnref",
    moduleOf(section(1, 1, 0x60, 0, 1, 0x69)),
    `the type 0x69 at byte 14 is of ${EXCEPTIONS}`,
  ],
  ["an unknown type", moduleOf(section(1, 1, 0x60, 0, 1, 0x40)), "the type 0x40 at byte 14 is unknown"],
  [
    "a function of 1,001 parameters",
    moduleOf(section(1, 1, 0x60, ...leb(1001), ...Array(1001).fill(0x7f), 0)),
    "the list at byte 13 has 1001 types, at most 1000 are allowed",
  ],
  [
    "a type section of 1 MiB and a byte",
    moduleOf([1, ...leb((1 << 20) + 1), ...Array((1 << 20) + 1).fill(0)]),
    "the type section at byte 12 has 1048577 bytes, at most 1048576 are allowed",
  ],
  [
    "a list that claims more than there is",
    moduleOf(section(1, 2, 0x60, 0, 0)),
    "the list at byte 10 claims 2 entries in 3 bytes",
  ],
  [
    "a list that claims 2^32 - 1 entries",
    moduleOf(section(1, 0xff, 0xff, 0xff, 0xff, 0x0f)),
    "the list at byte 10 claims 4294967295 entries in 0 bytes",
  ],
];

const imports = (...entries: number[]) =>
  moduleOf(TYPE, section(2, 1, ...text("m"), ...text("n"), ...entries));
const ONLY_FUNCTIONS = "only functions can be imported";

const IMPORTS: Vector[] = [
  ["an imported table", imports(1, 0x70, 0, 1), `the import at byte 21 is a table; ${ONLY_FUNCTIONS}`],
  ["an imported memory", imports(2, 0, 1), `the import at byte 21 is a memory; ${ONLY_FUNCTIONS}`],
  ["an imported shared memory", imports(2, 3, 1, 1), `the import at byte 21 is a memory; ${ONLY_FUNCTIONS}`],
  ["an imported global", imports(3, 0x7f, 0), `the import at byte 21 is a global; ${ONLY_FUNCTIONS}`],
  ["an imported tag", imports(4, 0, 0), `the import at byte 21 is a tag; ${ONLY_FUNCTIONS}`],
  ["an import of an unknown kind", imports(9, 0), "the import at byte 21 has the unknown kind 0x09"],
  ["an import of a type that is not there", imports(0, 1), "type 1 at byte 22 does not exist, there are 1"],
  [
    "an import's name that is no UTF-8",
    moduleOf(TYPE, section(2, 1, 1, 0xc0, 1, 0x6e, 0, 0)),
    "the name at byte 17 is no UTF-8",
  ],
  ["an import cut short", moduleOf(TYPE, section(2, 1, 1, 0x6d, 1, 0x6e)), "it is cut short at byte 21"],
  [
    "257 imports",
    moduleOf(TYPE, section(2, ...leb(257), ...Array(257).fill([1, 0x6d, 1, 0x6e, 0, 0]).flat())),
    "the list at byte 17 has 257 imports, at most 256 are allowed",
  ],
];

const table = (...entry: number[]) => moduleOf(section(4, 1, ...entry));
const memory = (...entry: number[]) => moduleOf(section(5, 1, ...entry));
const global = (...entry: number[]) => moduleOf(section(6, 1, ...entry));
const SHARED = `shared, which is of ${THREADS}`;

const DECLARATIONS: Vector[] = [
  [
    "100,001 functions",
    moduleOf(TYPE, [3, ...leb(100_004), ...leb(100_001), ...Array(100_001).fill(0)]),
    "the list at byte 18 has 100001 functions, at most 100000 are allowed",
  ],
  [
    "100,001 globals",
    moduleOf([6, ...leb(400_007), ...leb(100_001), ...Array(400_004).fill(0)]),
    "the list at byte 12 has 100001 globals, at most 100000 are allowed",
  ],
  [
    "a function of a type that is not there",
    moduleOf(TYPE, section(3, 1, 1), code([0, 0x0b])),
    "type 1 at byte 17 does not exist, there are 1",
  ],
  ["a table of numbers", table(0x7f, 0, 1), "the type i32 at byte 11 is no reference type"],
  ["a table of typed references", table(0x63, 0x70, 0, 1), `the type 0x63 at byte 11 is of ${GC}`],
  [
    "a table with an initial value",
    table(0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b),
    `the table at byte 11 has an initial value, which is of ${GC}`,
  ],
  ["a shared table", table(0x70, 3, 1, 1), `the table's limits at byte 12 have the flags 0x03: ${SHARED}`],
  ["a 64-bit table", table(0x70, 4, 1), `the table's limits at byte 12 have the flags 0x04: ${MEMORY64}`],
  [
    "a table whose maximum is under its minimum",
    table(0x70, 1, 3, 2),
    "the table's limits at byte 12 have the maximum 2 under 3",
  ],
  [
    "17 tables",
    moduleOf(section(4, 17, ...Array(17).fill([0x70, 0, 0]).flat())),
    "the list at byte 10 has 17 tables, at most 16 are allowed",
  ],
  [
    "two memories",
    moduleOf(section(5, 2, 0, 1, 0, 1)),
    `the module has 2 memories at byte 10: ${MULTI_MEMORY}`,
  ],
  ["a shared memory", memory(3, 1, 1), `the memory's limits at byte 11 have the flags 0x03: ${SHARED}`],
  ["a 64-bit memory", memory(4, 1), `the memory's limits at byte 11 have the flags 0x04: ${MEMORY64}`],
  [
    "a memory with pages of its own size",
    memory(8, 1, 0),
    "the memory's limits at byte 11 have the flags 0x08, which are unknown",
  ],
  [
    "a memory whose maximum is under its minimum",
    memory(1, 2, 1),
    "the memory's limits at byte 11 have the maximum 1 under 2",
  ],
  [
    "a memory of 65,537 pages",
    memory(0, 0x81, 0x80, 0x04),
    "the memory's limits at byte 11 have the minimum 65537, at most 65536 is possible",
  ],
  [
    "a memory that may have 65,537 pages",
    memory(1, 1, 0x81, 0x80, 0x04),
    "the memory's limits at byte 11 have the maximum 65537, at most 65536 is possible",
  ],
  [
    "a global that is neither mutable nor not",
    global(0x7f, 2, 0x41, 0, 0x0b),
    "the global's mutability at byte 12 is 0x02, not 0 or 1",
  ],
  [
    "a constant that computes",
    global(0x7f, 0, 0x41, 0, 0x41, 0, 0x6a, 0x0b),
    "the constant at byte 13 goes on with 0x41 at byte 15, not with end",
  ],
  [
    "a constant that reads a global",
    moduleOf(section(6, 2, 0x7f, 0, 0x41, 0, 0x0b, 0x7f, 0, 0x23, 0, 0x0b)),
    "the opcode 0x23 at byte 18 is no constant",
  ],
  [
    "a constant of a function that is not there",
    global(0x70, 0, 0xd2, 0, 0x0b),
    "function 0 at byte 14 does not exist, there are 0",
  ],
  ["a constant without an end", global(0x7f, 0, 0x41, 0), "it is cut short at byte 15"],
  [
    "a constant over 32 bits",
    global(0x7f, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x08, 0x0b),
    "the number before byte 19 is over 32 bits",
  ],
  [
    "a constant of 32 bits in six bytes",
    global(0x7f, 0, 0x41, ...LONG, 0, 0x0b),
    "the number before byte 19 has more than 5 bytes",
  ],
  [
    "a constant over 64 bits",
    global(0x7e, 0, 0x42, ...Array(9).fill(0x80), 0x02, 0x0b),
    "the number before byte 24 is over 64 bits",
  ],
  [
    "a constant of 64 bits in eleven bytes",
    global(0x7e, 0, 0x42, ...LONG, ...LONG, 0, 0x0b),
    "the number before byte 24 has more than 10 bytes",
  ],
];

const exported = (...entries: number[]) => moduleOf(TYPE, MEMORY, section(7, ...entries));

const REFERENCES: Vector[] = [
  [
    "an export's name twice",
    exported(2, 1, 0x61, 2, 0, 1, 0x61, 2, 0),
    "the export at byte 26 has a name that another has too",
  ],
  ["an export's name that is no UTF-8", exported(1, 1, 0xff, 2, 0), "the name at byte 22 is no UTF-8"],
  [
    "an export of a tag",
    exported(1, 1, 0x61, 4, 0),
    `the export at byte 22 is a tag, which is of ${EXCEPTIONS}`,
  ],
  [
    "an export of an unknown kind",
    exported(1, 1, 0x61, 5, 0),
    "the export at byte 22 has the unknown kind 0x05",
  ],
  [
    "an export of a function that is not there",
    exported(1, 1, 0x61, 0, 0),
    "function 0 at byte 25 does not exist, there are 0",
  ],
  [
    "an export of a table that is not there",
    exported(1, 1, 0x61, 1, 0),
    "table 0 at byte 25 does not exist, there are 0",
  ],
  [
    "an export of a memory that is not there",
    exported(1, 1, 0x61, 2, 1),
    "memory 1 at byte 25 does not exist, there are 1",
  ],
  [
    "an export of a global that is not there",
    exported(1, 1, 0x61, 3, 0),
    "global 0 at byte 25 does not exist, there are 0",
  ],
  [
    "10,001 exports",
    // the list alone: its entries are not looked at
    moduleOf([7, ...leb(30_005), ...leb(10_001), ...Array(30_003).fill(0)]),
    "the list at byte 12 has 10001 exports, at most 10000 are allowed",
  ],
  [
    "a start function that is not there",
    moduleOf(section(8, 0)),
    "function 0 at byte 10 does not exist, there are 0",
  ],
  [
    "a start function with a parameter",
    moduleOf(section(1, 1, 0x60, 1, 0x7f, 0), FUNCTION, section(8, 0), code([0, 0x0b])),
    "the start function 0 at byte 21 has parameters or results",
  ],
  [
    "elements with unknown flags",
    moduleOf(TABLE, section(9, 1, 8, 0x41, 0, 0x0b, 0)),
    "the element segment at byte 17 has the unknown flags 8",
  ],
  [
    "elements without a table",
    moduleOf(section(9, 1, 0, 0x41, 0, 0x0b, 0)),
    "the element segment at byte 11 has no table",
  ],
  [
    "elements for a table that is not there",
    moduleOf(TABLE, section(9, 1, 2, 1, 0x41, 0, 0x0b, 0, 0)),
    "table 1 at byte 18 does not exist, there are 1",
  ],
  [
    "elements of an unknown kind",
    moduleOf(section(9, 1, 1, 1, 0)),
    "the element kind at byte 12 is 0x01, only functions (0x00) are known",
  ],
  [
    "elements of numbers",
    moduleOf(section(9, 1, 5, 0x7f, 0)),
    "the type i32 at byte 12 is no reference type",
  ],
  [
    "an element that is not there",
    moduleOf(section(9, 1, 1, 0, 1, 0)),
    "function 0 at byte 14 does not exist, there are 0",
  ],
  [
    "data with unknown flags",
    moduleOf(MEMORY, section(11, 1, 3, 0)),
    "the data segment at byte 16 has the unknown flags 3",
  ],
  [
    "data without a memory",
    moduleOf(section(11, 1, 0, 0x41, 0, 0x0b, 0)),
    "the data segment at byte 11 has no memory",
  ],
  [
    "data for a memory that is not there",
    moduleOf(MEMORY, section(11, 1, 2, 1, 0x41, 0, 0x0b, 0)),
    "memory 1 at byte 17 does not exist, there are 1",
  ],
  [
    "data cut short",
    moduleOf(section(11, 1, 1, 5, 0)),
    "it is cut short: 5 bytes are claimed at byte 13, 1 are left",
  ],
  [
    "a data count without data",
    moduleOf(section(12, 1)),
    "the data count section says 1, there are 0 data segments",
  ],
  [
    "another data count than there is data",
    moduleOf(section(12, 2), section(11, 1, 1, 0)),
    "the data count section says 2, there are 1 data segments",
  ],
  ["functions without code", moduleOf(TYPE, FUNCTION), "the module has 1 functions and no code section"],
  [
    "more code than functions",
    moduleOf(TYPE, FUNCTION, code([0, 0x0b], [0, 0x0b])),
    "the code section at byte 20 has 2 bodies for 1 functions",
  ],
];

const BODIES: Vector[] = [
  [
    "a body of 65,537 blocks in each other",
    moduleOf(TYPE, FUNCTION, [
      10,
      ...leb(131_080),
      1,
      ...leb(131_076),
      0,
      ...Array(65_537).fill([2, 0x40]).flat(),
      0x0b,
    ]),
    "more than 65536 blocks are open at byte 131101",
  ],
  [
    "a body that is longer than its section",
    moduleOf(TYPE, FUNCTION, section(10, 1, 9, 0, 0x0b)),
    "it is cut short: 9 bytes are claimed at byte 22, 2 are left",
  ],
  ["a body that ends before its size", body(0x0b), "the body ends at byte 35, its size says byte 36"],
  ["a body with an open block", body(0x02, 0x40), "the body that ends at byte 37 has 1 blocks open"],
  [
    "a body whose last instruction goes over its end",
    moduleOf(TYPE, section(3, 2, 0, 0), code([0, 0x41], [0, 0x0b])),
    "an instruction goes over the end of its body at byte 25",
  ],
  ["an else without if", body(0x02, 0x40, 0x05, 0x0b), "the else at byte 36 has no if"],
  ["an else twice", body(0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b), "the else at byte 39 has no if"],
  ["a label that is not there", body(0x0c, 1), "label 1 at byte 35 does not exist, there are 1"],
  [
    "a label of a table that is not there",
    body(0x41, 0, 0x0e, 1, 0, 1),
    "label 1 at byte 39 does not exist, there are 1",
  ],
  [
    "a branch table longer than the section",
    body(0x41, 0, 0x0e, 0xff, 0xff, 3, 0, 0),
    "the list at byte 37 claims 65535 entries in 3 bytes",
  ],
  [
    "a call of a function that is not there",
    body(0x10, 1),
    "function 1 at byte 35 does not exist, there are 1",
  ],
  [
    "a tail call of a function that is not there",
    body(0x12, 0x81, 0x01),
    "function 129 at byte 35 does not exist, there are 1",
  ],
  [
    "an indirect call of a type that is not there",
    body(0x41, 0, 0x11, 1, 0),
    "type 1 at byte 37 does not exist, there are 1",
  ],
  [
    "an indirect call through a table that is not there",
    body(0x41, 0, 0x11, 0, 1),
    "table 1 at byte 38 does not exist, there are 1",
  ],
  ["a local that is not there", body(0x20, 0, 0x1a), "local 0 at byte 35 does not exist, there are 0"],
  ["a global that is not there", body(0x23, 0, 0x1a), "global 0 at byte 35 does not exist, there are 0"],
  [
    "a reference to a function that is not there",
    body(0xd2, 1, 0x1a),
    "function 1 at byte 35 does not exist, there are 1",
  ],
  [
    "a data segment that is not counted",
    body(0xfc, 9, 0),
    "counted data segment 0 at byte 36 does not exist, there are 0",
  ],
  [
    "an element segment that is not there",
    body(0xfc, 13, 0),
    "element segment 0 at byte 36 does not exist, there are 0",
  ],
  [
    "a memory access without a memory",
    moduleOf(TYPE, FUNCTION, code([0, 0x41, 0, 0x28, 2, 0, 0x1a, 0x0b])),
    "memory 0 at byte 26 does not exist, there are 0",
  ],
  [
    "a memory access that names a memory",
    body(0x41, 0, 0x28, 0x42, 0, 0, 0x1a),
    `the memory access at byte 37 names a memory: ${MULTI_MEMORY}`,
  ],
  [
    "a memory access aligned to 2^5",
    body(0x41, 0, 0x28, 5, 0, 0x1a),
    "the memory access at byte 37 has the alignment 2^5, at most 2^4 is possible",
  ],
  [
    "a memory access with an offset over 32 bits",
    body(0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1a),
    "the number before byte 43 is over 32 bits",
  ],
  ["a second memory's size", body(0x3f, 1, 0x1a), "memory 1 at byte 35 does not exist, there are 1"],
  [
    "a constant over 32 bits",
    body(0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a),
    "the number before byte 40 is over 32 bits",
  ],
  [
    "a constant over 64 bits",
    body(0x42, ...Array(9).fill(0xff), 0x01, 0x1a),
    "the number before byte 45 is over 64 bits",
  ],
  ["an index of six bytes", body(0x10, ...LONG, 0), "the number before byte 40 has more than 5 bytes"],
  [
    "a select of two types",
    body(0x00, 0x1c, 2, 0x7f, 0x7f, 0x00),
    "the select at byte 35 has 2 types, 1 is allowed",
  ],
  [
    "a block of a type that is not there",
    body(0x02, 1, 0x0b),
    "type 1 at byte 35 does not exist, there are 1",
  ],
  [
    "a block type that is a negative number of two bytes",
    body(0x02, 0x80, 0x40, 0x0b),
    "the block type at byte 35 is a negative number of several bytes",
  ],
  [
    "a block type of anyref",
    body(0x00, 0x02, 0x6e, 0x00, 0x0b, 0x1a),
    `the type 0x6e at byte 36 is of ${GC}`,
  ],
  ["a null of another kind", body(0xd0, 0x71, 0x1a), `the type 0x71 at byte 35 is of ${GC}`],
  [
    "a lane that is not there",
    body(0x00, 0xfd, 0x15, 16, 0x00),
    "lane 16 at byte 37 does not exist, there are 16",
  ],
  [
    "50,001 locals",
    moduleOf(TYPE, FUNCTION, code([1, ...leb(50_001), 0x7f, 0x0b])),
    "the body at byte 22 has 50001 locals, at most 50000 are allowed",
  ],
  [
    "locals of an unknown type",
    moduleOf(TYPE, FUNCTION, code([1, 1, 0x40, 0x0b])),
    "the type 0x40 at byte 24 is unknown",
  ],
];

const opcode = (name: string, said: string, ...instructions: number[]): Vector => [
  name,
  body(...instructions),
  `the opcode ${said}`,
];

const OPCODES: Vector[] = [
  opcode("try", `0x06 at byte 34 is of ${EXCEPTIONS}`, 0x06, 0x40, 0x0b),
  opcode("catch", `0x07 at byte 34 is of ${EXCEPTIONS}`, 0x07, 0),
  opcode("throw", `0x08 at byte 34 is of ${EXCEPTIONS}`, 0x08, 0),
  opcode("rethrow", `0x09 at byte 34 is of ${EXCEPTIONS}`, 0x09, 0),
  opcode("throw_ref", `0x0a at byte 34 is of ${EXCEPTIONS}`, 0x0a),
  opcode("delegate", `0x18 at byte 34 is of ${EXCEPTIONS}`, 0x18, 0),
  opcode("catch_all", `0x19 at byte 34 is of ${EXCEPTIONS}`, 0x19),
  opcode("try_table", `0x1f at byte 34 is of ${EXCEPTIONS}`, 0x1f, 0x40, 0, 0x0b),
  opcode("call_ref", `0x14 at byte 35 is of ${GC}`, 0x00, 0x14, 0),
  opcode("return_call_ref", `0x15 at byte 35 is of ${GC}`, 0x00, 0x15, 0),
  opcode("ref.eq", `0xd3 at byte 35 is of ${GC}`, 0x00, 0xd3, 0x00),
  opcode("ref.as_non_null", `0xd4 at byte 35 is of ${GC}`, 0x00, 0xd4, 0x00),
  opcode("br_on_null", `0xd5 at byte 35 is of ${GC}`, 0x00, 0xd5, 0, 0x00),
  opcode("br_on_non_null", `0xd6 at byte 35 is of ${GC}`, 0x00, 0xd6, 0, 0x00),
  opcode("struct.new", `0xfb at byte 34 is of ${GC}`, 0xfb, 0, 0),
  opcode("atomic.fence", `0xfe at byte 34 is of ${THREADS}`, 0xfe, 3, 0),
  opcode("i8x16.relaxed_swizzle", `0xfd 0x100 at byte 35 is of ${RELAXED}`, 0x00, 0xfd, 0x80, 0x02, 0x00),
  opcode("an unknown opcode", "0xff at byte 34 is unknown", 0xff),
  opcode("an unknown opcode behind 0xfc", "0xfc 0x12 at byte 34 is unknown", 0xfc, 18),
  opcode("an unknown opcode behind 0xfd", "0xfd 0x9a at byte 34 is unknown", 0xfd, 0x9a, 0x01),
];

describe("readModule refuses", () => {
  for (const [what, bytes, message] of [
    ...FRAME,
    ...TYPES,
    ...IMPORTS,
    ...DECLARATIONS,
    ...REFERENCES,
    ...BODIES,
    ...OPCODES,
  ]) {
    test(what, () => assert.throws(() => readModule(bytes), { name: "Error", message }));
  }

  // as a compiler writes them
  test("a function that catches", () => {
    const bytes = wasm("(module (func (try (do) (catch_all))))");
    assert.ok(WebAssembly.validate(bytes));
    assert.throws(() => readModule(bytes), { message: `the opcode 0x06 at byte 23 is of ${EXCEPTIONS}` });
  });
});

test("readModule accepts the modules that the refused ones are made from", () => {
  for (const bytes of [body(), body(0x01), moduleOf(TYPE, FUNCTION, code([0, 0x0b])), imports(0, 0)]) {
    assert.ok(WebAssembly.validate(bytes));
    readModule(bytes);
  }
});
