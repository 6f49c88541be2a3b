/**
 * npm run bench -- admission: what it costs to look at a module before it is run (digest, reading, reach, limits),
 * beside the engine's compilation of the same bytes in the same run. No guest is run. Takes about ten seconds.
 */
import { createHash } from "node:crypto";
import wabt from "wabt";
import { readModule } from "../host/sandbox/wasm/module.ts";
import { reach } from "../host/sandbox/wasm/reach.ts";
import { clampLimits } from "../host/sandbox/wasm/rewrite.ts";
import { customSection } from "../test/support/wasm.ts";
import { quantile } from "./figures.ts";

const SIZE = 1 << 20;
const WARM_UP = 20;
const ROUNDS = 100;
const CAPS = { memoryPages: 256, tableEntries: 10_000 };

const IMPORTED = 12;
const HEAD = `
  (type $binary (func (param i32 i32) (result i32)))
  ${Array.from({ length: IMPORTED }, (_, i) => `(import "m" "f${i}" (func (param i64) (result i64)))`).join("\n")}
  (memory (export "memory") 4)
  (table 64 funcref)
  (elem (i32.const 0) ${Array.from({ length: 64 }, (_, i) => IMPORTED + i).join(" ")})
  (global $top (mut i32) (i32.const 65536))
  (global $count (mut i64) (i64.const 0))`;

const bytes = await generate();
const module = readModule(bytes);
const clamped = clampLimits(bytes, module, CAPS);
if (!WebAssembly.validate(clamped)) throw new Error("the clamped module is not valid");

const STEPS: Record<string, () => unknown> = {
  sha256: () => createHash("sha256").update(bytes).digest("hex"),
  readModule: () => readModule(bytes),
  reach: () => reach(module),
  clampLimits: () => clampLimits(bytes, module, CAPS),
  "all of these": () => {
    createHash("sha256").update(bytes).digest("hex");
    const read = readModule(bytes);
    reach(read);
    return clampLimits(bytes, read, CAPS);
  },
  // bytes that the engine has not seen: it keeps what it has compiled
  "new WebAssembly.Module": () => new WebAssembly.Module(fresh),
};

let fresh = clamped;
const times = new Map(Object.keys(STEPS).map((name) => [name, [] as number[]]));
// Round by round over all steps, so that a slow moment of the machine meets all of them.
for (let round = -WARM_UP; round < ROUNDS; round++) {
  fresh = Buffer.concat([clamped, Uint8Array.from(customSection("round", round & 127))]);
  for (const [name, step] of Object.entries(STEPS)) {
    const begun = performance.now();
    step();
    if (round >= 0) times.get(name)?.push(performance.now() - begun);
  }
}

console.log(
  `${bytes.length} bytes, ${module.functionCount} functions, ${module.exports.length} exports, ${ROUNDS} rounds:`,
);
console.table(
  [...times].map(([step, all]) => ({
    step,
    "p50 ms": quantile(all, 0.5).toFixed(2),
    "p99 ms": quantile(all, 0.99).toFixed(2),
  })),
);

/** Functions of loops, memory accesses, arithmetic and calls, as a compiler writes them, until the module is large enough. */
async function generate(): Promise<Uint8Array> {
  const { parseWat } = await wabt();
  const assemble = (functions: number) => {
    const bodies = Array.from({ length: functions }, (_, i) => body(i, functions)).join("\n");
    const parsed = parseWat("bench.wat", `(module ${HEAD} ${bodies})`);
    // a copy: what the assembler gives lies in its own memory
    const bytes = parsed.toBinary({}).buffer.slice();
    parsed.destroy();
    return bytes;
  };
  const each = assemble(500).length / 500;
  return assemble(Math.ceil(SIZE / each));
}

/** One in four calls the host, one in eight through the table; the rest call each other, near and far. */
function body(i: number, functions: number): string {
  const callee = (n: number) => IMPORTED + ((i * 31 + n * 577) % functions);
  return `(func ${i % 100 === 0 ? `(export "e${i}")` : ""} (type $binary) (local i32 i32 i64 f64)
    (local.set 2 (i32.sub (global.get $top) (i32.const ${16 * (1 + (i % 40))})))
    (if (i32.lt_u (local.get 2) (i32.const ${1000 + i * 7})) (then (return (i32.const -1))))
    (global.set $top (local.get 2))
    (block (loop
      (br_if 1 (i32.ge_u (local.get 3) (local.get 1)))
      (i32.store offset=${(i % 300) * 4} (i32.add (local.get 2) (i32.shl (local.get 3) (i32.const 2)))
        (i32.xor (i32.load8_u (i32.add (local.get 0) (local.get 3))) (i32.const ${(i * 2654435761) | 0})))
      (local.set 4 (i64.add (i64.mul (local.get 4) (i64.const 6364136223846793005)) (i64.const ${i})))
      (local.set 3 (i32.add (local.get 3) (i32.const 1)))
      (br 0)))
    (local.set 5 (f64.add (f64.convert_i32_u (local.get 3)) (f64.const ${i}.5)))
    (block (block (block (br_table 0 1 2 (i32.and (local.get 0) (i32.const 3))))
      (local.set 3 (call ${callee(1)} (local.get 2) (i32.trunc_sat_f64_u (local.get 5)))))
      (local.set 3 (call ${callee(2)} (local.get 3) (local.get 1))))
    ${i % 4 === 0 ? `(global.set $count (call ${i % IMPORTED} (local.get 4)))` : ""}
    ${i % 8 === 0 ? "(local.set 3 (call_indirect (type $binary) (local.get 2) (local.get 3) (local.get 0)))" : ""}
    (global.set $top (i32.add (local.get 2) (i32.const ${16 * (1 + (i % 40))})))
    (select (local.get 3) (i32.load16_s offset=8 align=1 (local.get 2)) (i64.eqz (local.get 4))))`;
}
