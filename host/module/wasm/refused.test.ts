/** The modules that readModule refuses: one for each reason, without any other fault. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertSentences, thrown } from "../../../test/support/thrown.ts";
import { customSection, leb, moduleOf, PREAMBLE, section, text, wasm } from "../../../test/support/wasm.ts";
import { readModule } from "./module.ts";

const TYPE = section(1, 1, 0x60, 0, 0);
const FUNCTION = section(3, 1, 0);
const MEMORY = section(5, 1, 0, 1);
const TABLE = section(4, 1, 0x70, 0, 1);
const LONG = [0x80, 0x80, 0x80, 0x80, 0x80];

/** Bodies preceded only by their size: locals, instructions and end. */
function code(...bodies: readonly (readonly number[])[]): number[] {
  return section(10, bodies.length, ...bodies.flatMap((body) => [...leb(body.length), ...body]));
}

/** One function of this body, with its end but without locals; its first instruction is byte 34. */
function body(...instructions: readonly number[]): Uint8Array {
  return moduleOf(TYPE, FUNCTION, TABLE, MEMORY, code([0, ...instructions, 0x0b]));
}

/** A module, and the byte that its error names; undefined if it names none. */
type Vector = readonly [what: string, bytes: Uint8Array, at: number | undefined];

const FRAME: Vector[] = [
  ["1,001 custom sections", moduleOf(...Array(1001).fill([0, 1, 0])), 3008],
  ["no bytes", new Uint8Array(), undefined],
  ["a truncated preamble", Uint8Array.from(PREAMBLE.slice(0, 7)), undefined],
  ["text", Buffer.from("(module)"), undefined],
  ["binary version 2", Uint8Array.of(0, 0x61, 0x73, 0x6d, 2, 0, 0, 0), undefined],
  ["a component", Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0), undefined],
  ["a section without its length", moduleOf([1]), 9],
  ["a truncated section", moduleOf([1, 2, 0]), 10],
  ["a length over 32 bits", moduleOf([0, 0x80, 0x80, 0x80, 0x80, 0x10]), 14],
  ["a length of six bytes", moduleOf([0, ...LONG, 0]), 14],
  ["an unknown section", moduleOf([14, 0]), 8],
  ["a section of id 128", moduleOf([128, 0]), 8],
  ["a tag section", moduleOf(TYPE, section(13, 1, 0, 0)), 14],
  ["a duplicate section", moduleOf(TYPE, customSection("between"), TYPE), 24],
  ["sections out of order", moduleOf(section(5, 0), section(4, 0)), 11],
  ["a data count after the code", moduleOf(section(10, 0), section(12, 0)), 11],
  ["a section longer than its content", moduleOf(section(1, 0, 0)), 8],
  ["a section shorter than its content", moduleOf(section(1, 1, 0x60, 1, 0x7f)), 14],
  ["an empty section", moduleOf([1, 0]), 10],
  ["a custom section with a name longer than the section", moduleOf([0, 1, 5], section(1, 0)), 11],
  ["a custom section without a name", moduleOf([0, 0], section(1, 0)), 10],
  ["a section name that is not valid UTF-8", moduleOf([0, 2, 1, 0xff]), 10],
  ["a section name with half a surrogate pair", moduleOf([0, 4, 3, 0xed, 0xa0, 0x80]), 10],
];

const TYPES: Vector[] = [
  ["a struct type", moduleOf(section(1, 1, 0x5f, 0, 0)), 11],
  ["a recursive type", moduleOf(section(1, 1, 0x4e, 1, 0x60, 0, 0)), 11],
  ["a type of typed references", moduleOf(section(1, 1, 0x60, 1, 0x64, 0x70, 0)), 13],
  ["a type of anyref", moduleOf(section(1, 1, 0x60, 0, 1, 0x6e)), 14],
  ["a type of exnref", moduleOf(section(1, 1, 0x60, 0, 1, 0x69)), 14],
  ["an unknown type", moduleOf(section(1, 1, 0x60, 0, 1, 0x40)), 14],
  [
    "a function of 1,001 parameters",
    moduleOf(section(1, 1, 0x60, ...leb(1001), ...Array(1001).fill(0x7f), 0)),
    13,
  ],
  [
    "a type section of 1 MiB and one byte",
    moduleOf([1, ...leb((1 << 20) + 1), ...Array((1 << 20) + 1).fill(0)]),
    12,
  ],
  ["a list that claims more entries than it has", moduleOf(section(1, 2, 0x60, 0, 0)), 10],
  ["a list that claims 2^32 - 1 entries", moduleOf(section(1, 0xff, 0xff, 0xff, 0xff, 0x0f)), 10],
];

const imports = (...entries: number[]) =>
  moduleOf(TYPE, section(2, 1, ...text("m"), ...text("n"), ...entries));

const IMPORTS: Vector[] = [
  ["an imported table", imports(1, 0x70, 0, 1), 21],
  ["an imported memory", imports(2, 0, 1), 21],
  ["an imported shared memory", imports(2, 3, 1, 1), 21],
  ["an imported global", imports(3, 0x7f, 0), 21],
  ["an imported tag", imports(4, 0, 0), 21],
  ["an import of an unknown kind", imports(9, 0), 21],
  ["an import of a type that does not exist", imports(0, 1), 22],
  ["an import's name that is not valid UTF-8", moduleOf(TYPE, section(2, 1, 1, 0xc0, 1, 0x6e, 0, 0)), 17],
  ["a truncated import", moduleOf(TYPE, section(2, 1, 1, 0x6d, 1, 0x6e)), 21],
  [
    "257 imports",
    moduleOf(TYPE, section(2, ...leb(257), ...Array(257).fill([1, 0x6d, 1, 0x6e, 0, 0]).flat())),
    17,
  ],
];

const table = (...entry: number[]) => moduleOf(section(4, 1, ...entry));
const memory = (...entry: number[]) => moduleOf(section(5, 1, ...entry));
const global = (...entry: number[]) => moduleOf(section(6, 1, ...entry));

const DECLARATIONS: Vector[] = [
  ["100,001 functions", moduleOf(TYPE, [3, ...leb(100_004), ...leb(100_001), ...Array(100_001).fill(0)]), 18],
  ["100,001 globals", moduleOf([6, ...leb(400_007), ...leb(100_001), ...Array(400_004).fill(0)]), 12],
  ["a function of a type that does not exist", moduleOf(TYPE, section(3, 1, 1), code([0, 0x0b])), 17],
  ["a table of numbers", table(0x7f, 0, 1), 11],
  ["a table of typed references", table(0x63, 0x70, 0, 1), 11],
  ["a table with an initial value", table(0x40, 0, 0x70, 0, 1, 0xd0, 0x70, 0x0b), 11],
  ["a shared table", table(0x70, 3, 1, 1), 12],
  ["a 64-bit table", table(0x70, 4, 1), 12],
  ["a table whose maximum is under its minimum", table(0x70, 1, 3, 2), 12],
  ["17 tables", moduleOf(section(4, 17, ...Array(17).fill([0x70, 0, 0]).flat())), 10],
  ["two memories", moduleOf(section(5, 2, 0, 1, 0, 1)), 10],
  ["a shared memory", memory(3, 1, 1), 11],
  ["a 64-bit memory", memory(4, 1), 11],
  ["a memory with pages of its own size", memory(8, 1, 0), 11],
  ["a memory whose maximum is under its minimum", memory(1, 2, 1), 11],
  ["a memory of 65,537 pages", memory(0, 0x81, 0x80, 0x04), 11],
  ["a memory that may have 65,537 pages", memory(1, 1, 0x81, 0x80, 0x04), 11],
  ["a global with an invalid mutability", global(0x7f, 2, 0x41, 0, 0x0b), 12],
  ["a constant that computes", global(0x7f, 0, 0x41, 0, 0x41, 0, 0x6a, 0x0b), 13],
  [
    "a constant that reads a global",
    moduleOf(section(6, 2, 0x7f, 0, 0x41, 0, 0x0b, 0x7f, 0, 0x23, 0, 0x0b)),
    18,
  ],
  ["a constant of a function that does not exist", global(0x70, 0, 0xd2, 0, 0x0b), 14],
  ["a constant without an end", global(0x7f, 0, 0x41, 0), 15],
  ["a constant over 32 bits", global(0x7f, 0, 0x41, 0x80, 0x80, 0x80, 0x80, 0x08, 0x0b), 19],
  ["a constant of 32 bits in six bytes", global(0x7f, 0, 0x41, ...LONG, 0, 0x0b), 19],
  ["a constant over 64 bits", global(0x7e, 0, 0x42, ...Array(9).fill(0x80), 0x02, 0x0b), 24],
  ["a constant of 64 bits in eleven bytes", global(0x7e, 0, 0x42, ...LONG, ...LONG, 0, 0x0b), 24],
];

const exported = (...entries: number[]) => moduleOf(TYPE, MEMORY, section(7, ...entries));

const REFERENCES: Vector[] = [
  ["a duplicate export name", exported(2, 1, 0x61, 2, 0, 1, 0x61, 2, 0), 26],
  ["an export's name that is not valid UTF-8", exported(1, 1, 0xff, 2, 0), 22],
  ["an export of a tag", exported(1, 1, 0x61, 4, 0), 22],
  ["an export of an unknown kind", exported(1, 1, 0x61, 5, 0), 22],
  ["an export of a function that does not exist", exported(1, 1, 0x61, 0, 0), 25],
  ["an export of a table that does not exist", exported(1, 1, 0x61, 1, 0), 25],
  ["an export of a memory that does not exist", exported(1, 1, 0x61, 2, 1), 25],
  ["an export of a global that does not exist", exported(1, 1, 0x61, 3, 0), 25],
  [
    "10,001 exports",
    // The list alone: its entries are not read.
    moduleOf([7, ...leb(30_005), ...leb(10_001), ...Array(30_003).fill(0)]),
    12,
  ],
  ["a start function that does not exist", moduleOf(section(8, 0)), 10],
  [
    "a start function with a parameter",
    moduleOf(section(1, 1, 0x60, 1, 0x7f, 0), FUNCTION, section(8, 0), code([0, 0x0b])),
    21,
  ],
  ["elements with unknown flags", moduleOf(TABLE, section(9, 1, 8, 0x41, 0, 0x0b, 0)), 17],
  ["elements without a table", moduleOf(section(9, 1, 0, 0x41, 0, 0x0b, 0)), 11],
  ["elements for a table that does not exist", moduleOf(TABLE, section(9, 1, 2, 1, 0x41, 0, 0x0b, 0, 0)), 18],
  ["elements of an unknown kind", moduleOf(section(9, 1, 1, 1, 0)), 12],
  ["elements of numbers", moduleOf(section(9, 1, 5, 0x7f, 0)), 12],
  ["an element that does not exist", moduleOf(section(9, 1, 1, 0, 1, 0)), 14],
  ["data with unknown flags", moduleOf(MEMORY, section(11, 1, 3, 0)), 16],
  ["data without a memory", moduleOf(section(11, 1, 0, 0x41, 0, 0x0b, 0)), 11],
  ["data for a memory that does not exist", moduleOf(MEMORY, section(11, 1, 2, 1, 0x41, 0, 0x0b, 0)), 17],
  ["truncated data", moduleOf(section(11, 1, 1, 5, 0)), 13],
  ["a data count without data", moduleOf(section(12, 1)), undefined],
  ["a data count that differs from the data", moduleOf(section(12, 2), section(11, 1, 1, 0)), undefined],
  ["functions without code", moduleOf(TYPE, FUNCTION), undefined],
  ["more bodies than functions", moduleOf(TYPE, FUNCTION, code([0, 0x0b], [0, 0x0b])), 20],
];

const BODIES: Vector[] = [
  [
    "a body of 65,537 nested blocks",
    moduleOf(TYPE, FUNCTION, [
      10,
      ...leb(131_080),
      1,
      ...leb(131_076),
      0,
      ...Array(65_537).fill([2, 0x40]).flat(),
      0x0b,
    ]),
    131101,
  ],
  ["a body that is longer than its section", moduleOf(TYPE, FUNCTION, section(10, 1, 9, 0, 0x0b)), 22],
  ["a body that ends before its size", body(0x0b), 35],
  ["a body with an open block", body(0x02, 0x40), 37],
  [
    "a body whose last instruction extends past its end",
    moduleOf(TYPE, section(3, 2, 0, 0), code([0, 0x41], [0, 0x0b])),
    25,
  ],
  ["an else without if", body(0x02, 0x40, 0x05, 0x0b), 36],
  ["a duplicate else", body(0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b), 39],
  ["a label that does not exist", body(0x0c, 1), 35],
  ["a label of a table that does not exist", body(0x41, 0, 0x0e, 1, 0, 1), 39],
  ["a branch table longer than the section", body(0x41, 0, 0x0e, 0xff, 0xff, 3, 0, 0), 37],
  ["a call of a function that does not exist", body(0x10, 1), 35],
  ["a tail call of a function that does not exist", body(0x12, 0x81, 0x01), 35],
  ["an indirect call of a type that does not exist", body(0x41, 0, 0x11, 1, 0), 37],
  ["an indirect call through a table that does not exist", body(0x41, 0, 0x11, 0, 1), 38],
  ["a local that does not exist", body(0x20, 0, 0x1a), 35],
  ["a global that does not exist", body(0x23, 0, 0x1a), 35],
  ["a reference to a function that does not exist", body(0xd2, 1, 0x1a), 35],
  ["a data segment that is not counted", body(0xfc, 9, 0), 36],
  ["an element segment that does not exist", body(0xfc, 13, 0), 36],
  [
    "a memory access without a memory",
    moduleOf(TYPE, FUNCTION, code([0, 0x41, 0, 0x28, 2, 0, 0x1a, 0x0b])),
    26,
  ],
  ["a memory access that names a memory", body(0x41, 0, 0x28, 0x42, 0, 0, 0x1a), 37],
  ["a memory access aligned to 2^5", body(0x41, 0, 0x28, 5, 0, 0x1a), 37],
  [
    "a memory access with an offset over 32 bits",
    body(0x41, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x1a),
    43,
  ],
  ["a second memory's size", body(0x3f, 1, 0x1a), 35],
  ["a constant over 32 bits", body(0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x1a), 40],
  ["a constant over 64 bits", body(0x42, ...Array(9).fill(0xff), 0x01, 0x1a), 45],
  ["an index of six bytes", body(0x10, ...LONG, 0), 40],
  ["a select of two types", body(0x00, 0x1c, 2, 0x7f, 0x7f, 0x00), 35],
  ["a block of a type that does not exist", body(0x02, 1, 0x0b), 35],
  ["a block type that is a negative number of two bytes", body(0x02, 0x80, 0x40, 0x0b), 35],
  ["a block type of anyref", body(0x00, 0x02, 0x6e, 0x00, 0x0b, 0x1a), 36],
  ["a null of another kind", body(0xd0, 0x71, 0x1a), 35],
  ["a lane that does not exist", body(0x00, 0xfd, 0x15, 16, 0x00), 37],
  ["50,001 locals", moduleOf(TYPE, FUNCTION, code([1, ...leb(50_001), 0x7f, 0x0b])), 22],
  ["locals of an unknown type", moduleOf(TYPE, FUNCTION, code([1, 1, 0x40, 0x0b])), 24],
];

const opcode = (name: string, at: number, ...instructions: number[]): Vector => [
  name,
  body(...instructions),
  at,
];

const OPCODES: Vector[] = [
  opcode("try", 34, 0x06, 0x40, 0x0b),
  opcode("catch", 34, 0x07, 0),
  opcode("throw", 34, 0x08, 0),
  opcode("rethrow", 34, 0x09, 0),
  opcode("throw_ref", 34, 0x0a),
  opcode("delegate", 34, 0x18, 0),
  opcode("catch_all", 34, 0x19),
  opcode("try_table", 34, 0x1f, 0x40, 0, 0x0b),
  opcode("call_ref", 35, 0x00, 0x14, 0),
  opcode("return_call_ref", 35, 0x00, 0x15, 0),
  opcode("ref.eq", 35, 0x00, 0xd3, 0x00),
  opcode("ref.as_non_null", 35, 0x00, 0xd4, 0x00),
  opcode("br_on_null", 35, 0x00, 0xd5, 0, 0x00),
  opcode("br_on_non_null", 35, 0x00, 0xd6, 0, 0x00),
  opcode("struct.new", 34, 0xfb, 0, 0),
  opcode("atomic.fence", 34, 0xfe, 3, 0),
  opcode("i8x16.relaxed_swizzle", 35, 0x00, 0xfd, 0x80, 0x02, 0x00),
  opcode("an unknown opcode", 34, 0xff),
  opcode("an unknown opcode with the prefix 0xfc", 34, 0xfc, 18),
  opcode("an unknown opcode with the prefix 0xfd", 34, 0xfd, 0x9a, 0x01),
];

function refusal(bytes: Uint8Array): string {
  const { name, message } = thrown(() => readModule(bytes));
  assert.equal(name, "Error");
  return message;
}

const GROUPS = { FRAME, TYPES, IMPORTS, DECLARATIONS, REFERENCES, BODIES, OPCODES };

for (const [group, vectors] of Object.entries(GROUPS)) {
  describe(`readModule refuses (${group})`, () => {
    for (const [what, bytes, at] of vectors) {
      test(what, () => assert.equal(/\bbyte (\d+)/.exec(refusal(bytes))?.[1], at?.toString()));
    }

    test("with these messages", (t) => {
      assertSentences(t, Object.fromEntries(vectors.map(([what, bytes]) => [what, refusal(bytes)])));
    });
  });
}

test("readModule refuses a function that catches exceptions, as a compiler writes it", () => {
  const bytes = wasm("(module (func (try (do) (catch_all))))");
  assert.ok(WebAssembly.validate(bytes));
  assert.match(refusal(bytes), /^the opcode 0x06 at byte 23 belongs to exception handling, /);
});

test("readModule accepts the modules from which the refused ones are derived", () => {
  for (const bytes of [body(), body(0x01), moduleOf(TYPE, FUNCTION, code([0, 0x0b])), imports(0, 0)]) {
    assert.ok(WebAssembly.validate(bytes));
    readModule(bytes);
  }
});
