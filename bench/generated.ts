/** Generates modules for benchmarks: of any size, in the style of a compiler. Their code is never run. */
import wabt from "wabt";

const IMPORTED = 12;
const HEAD = `
  (type $binary (func (param i32 i32) (result i32)))
  ${Array.from({ length: IMPORTED }, (_, i) => `(import "kleidi:keystore" "f${i}" (func (param i64) (result i64)))`).join("\n")}
  (memory (export "memory") 4)
  (table 64 funcref)
  (elem (i32.const 0) ${Array.from({ length: 64 }, (_, i) => IMPORTED + i).join(" ")})
  (global $top (mut i32) (i32.const 65536))
  (global $count (mut i64) (i64.const 0))`;
/** Gives the analysis of the RPCs' reach a path to follow. */
const EXPORTS = ["status", "encrypt", "decrypt"].map((rpc) => `(export "kleidi_${rpc}")`);

/** Functions of loops, memory accesses, arithmetic and calls, in the style of a compiler, until the module is large enough. */
export async function generate(size: number): Promise<Uint8Array> {
  const { parseWat } = await wabt();
  const assemble = (functions: number) => {
    const bodies = Array.from({ length: functions }, (_, i) => body(i, functions)).join("\n");
    const parsed = parseWat("bench.wat", `(module ${HEAD} ${bodies})`);
    // A copy: the assembler's result is a view of its own memory.
    const bytes = parsed.toBinary({}).buffer.slice();
    parsed.destroy();
    return bytes;
  };
  const each = assemble(500).length / 500;
  return assemble(Math.ceil(size / each));
}

/** One in four calls the host, one in eight through the table; the others call each other, near and far. */
function body(i: number, functions: number): string {
  const callee = (n: number) => IMPORTED + ((i * 31 + n * 577) % functions);
  return `(func ${EXPORTS[i] ?? (i % 100 === 0 ? `(export "e${i}")` : "")} (type $binary) (local i32 i32 i64 f64)
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
