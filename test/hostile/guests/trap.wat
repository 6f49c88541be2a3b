;; Traps in every way: unreachable (1), memory out of bounds (2), division by zero (3), indirect call of another type (4),
;; invalid conversion (5), integer overflow (6), table out of bounds (7), an empty table entry (8), memory.copy out of bounds (9).
;; Must: fail only this call; the process survives.
(module
  ;;! honest
  (memory (export "memory") 4)
  (type $none (func))
  (type $one (func (param i32)))
  (table 2 funcref)
  (elem (i32.const 0) $nothing)
  (func $nothing)
  (func $maybe
    (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $0 (call $attack)))
      (return))
      (unreachable))
      (drop (i32.load (i32.const 0x7ffffff0))) (return))
      (drop (i32.div_u (i32.const 1) (i32.load (i32.const 0)))) (return))
      (call_indirect (type $one) (i32.const 0) (i32.const 0)) (return))
      (drop (i32.trunc_f64_s (f64.const nan))) (return))
      (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))) (return))
      (call_indirect (type $none) (i32.const 9)) (return))
      (call_indirect (type $none) (i32.const 1)) (return))
    (memory.copy (i32.const 0) (i32.const 1) (i32.const -1)))
  (func (export "kleidi_status") (result i32) (call $maybe) (call $status))
  (func (export "kleidi_encrypt") (result i32) (call $maybe) (call $encrypt))
  (func (export "kleidi_decrypt") (result i32) (call $maybe) (call $decrypt)))
