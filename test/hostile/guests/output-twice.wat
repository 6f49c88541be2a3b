;; Sets its output twice, garbage first (1); garbage last (2); changes the block after setting it as output (3); frees it then (4).
;; Must: the last block counts, with its content at the time of the call.
(module
  ;;! honest
  (memory (export "memory") 4)
  (func $garbage
    (i64.store (i32.const 0x20000) (i64.const -1))
    (call $give (i32.const 0x20000) (i32.const 8)))
  (func (export "kleidi_encrypt") (result i32)
    (local $block i64)
    (if (i32.eq (call $attack) (i32.const 1)) (then (call $garbage)))
    (if (i32.ge_u (call $attack) (i32.const 3))
      (then
        (local.set $block (call $alloc (i64.const 3)))
        (call $store_u8 (local.get $block) (i32.const 0x12))
        (call $store_u8 (i64.add (local.get $block) (i64.const 1)) (i32.const 1))
        (call $store_u8 (i64.add (local.get $block) (i64.const 2)) (i32.const 7))
        (call $output_set (local.get $block) (i64.const 3))
        (if (i32.eq (call $attack) (i32.const 3))
          (then (call $store_u8 (i64.add (local.get $block) (i64.const 2)) (i32.const 9)))
          (else (call $free (local.get $block))))
        (return (i32.const 0))))
    (drop (call $encrypt))
    (if (i32.eq (call $attack) (i32.const 2)) (then (call $garbage)))
    (i32.const 0))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
