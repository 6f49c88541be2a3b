;; Returns output that it does not own: 2 GiB of a block of one byte (1), a block that does not exist (2), one that it freed (3), a
;; negative length (4), Extism's own block 0 (5), its unchanged request (6), no output (7), a byte less than the block has (8), an address
;; within a block (9).
;; Must: fail. No byte after a block, and none of another call, is ever read.
(module
  ;;! honest
  (memory (export "memory") 4)
  (func (export "kleidi_encrypt") (result i32)
    (local $block i64)
    (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $0 (call $attack)))
      (return (call $encrypt)))
      (call $output_set (call $alloc (i64.const 1)) (i64.const 0x80000000)) (return (i32.const 0)))
      (call $output_set (i64.const 0x7000000000000) (i64.const 10)) (return (i32.const 0)))
      (local.set $block (call $alloc (i64.const 10)))
      (call $free (local.get $block))
      (call $output_set (local.get $block) (i64.const 10)) (return (i32.const 0)))
      (call $output_set (call $alloc (i64.const 1)) (i64.const -1)) (return (i32.const 0)))
      (call $output_set (i64.const 0) (i64.const 1)) (return (i32.const 0)))
      (call $output_set (call $input_offset) (call $input_length)) (return (i32.const 0)))
      (return (i32.const 0)))
      (call $output_set (call $alloc (i64.const 10)) (i64.const 9)) (return (i32.const 0)))
    (call $output_set (i64.add (call $alloc (i64.const 10)) (i64.const 1)) (i64.const 10))
    (i32.const 0))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
