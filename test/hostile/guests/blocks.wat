;; Requests Extism's blocks, which lie outside of its memory: many small ones (1), few large ones (2), one of 2 GiB (3), one of negative
;; length (4), of length 0 (5), of 2^63 - 1 bytes (6), one block that it frees each time, repeatedly (7).
;; Must: fail at the first block over the limit, before it is allocated.
(module
  ;;! honest
  (memory (export "memory") 4)
  (func $each (param $length i64) (loop $more (drop (call $alloc (local.get $length))) (br $more)))
  (func (export "kleidi_encrypt") (result i32)
    (local $attack i32)
    (local.set $attack (call $attack))
    (if (i32.eq (local.get $attack) (i32.const 1)) (then (call $each (i64.const 1))))
    (if (i32.eq (local.get $attack) (i32.const 2)) (then (call $each (i64.const 0x100000))))
    (if (i32.eq (local.get $attack) (i32.const 3)) (then (call $each (i64.const 0x80000000))))
    (if (i32.eq (local.get $attack) (i32.const 4)) (then (call $each (i64.const -1))))
    (if (i32.eq (local.get $attack) (i32.const 5)) (then (call $each (i64.const 0))))
    (if (i32.eq (local.get $attack) (i32.const 6)) (then (call $each (i64.const 0x7fffffffffffffff))))
    (if (i32.eq (local.get $attack) (i32.const 7))
      (then (loop $more (call $free (call $alloc (i64.const 1))) (br $more))))
    (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
