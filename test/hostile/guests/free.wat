;; Frees blocks of others: its request (1), Extism's block 0 (2), blocks that do not exist, from the first to the last address (3), the
;; same block twice (4).
;; Must: harm only itself; the call continues where it can.
(module
  ;;! honest
  (memory (export "memory") 4)
  (func $all
    (local $i i64)
    (local.set $i (i64.const -32768))
    (loop $next
      (call $free (i64.shl (local.get $i) (i64.const 48)))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $next (i64.lt_s (local.get $i) (i64.const 32768)))))
  (func (export "kleidi_encrypt") (result i32)
    (local $block i64)
    (local $attack i32)
    (local.set $attack (call $attack))
    (if (i32.eq (local.get $attack) (i32.const 1))
      (then
        (call $free (call $input_offset))
        (return (call $tell (i32.wrap_i64 (call $input_length))))))
    (if (i32.eq (local.get $attack) (i32.const 2)) (then (call $free (i64.const 0))))
    (if (i32.eq (local.get $attack) (i32.const 3)) (then (call $all)))
    (if (i32.eq (local.get $attack) (i32.const 4))
      (then
        (local.set $block (call $alloc (i64.const 9)))
        (call $free (local.get $block))
        (call $free (local.get $block))))
    (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
