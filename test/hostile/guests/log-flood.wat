;; Calls kleidi:log needlessly: ten thousand times, then replies well (1); endlessly (2); endlessly with requests of 64 KiB (3).
;; Must: write its budget of lines; every call over it gets a limit, from one block, and an endless one is stopped.
;;! requests log write in encrypt
(module
  (import "kleidi:log" "write" (func $write (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  (data (i32.const 0x20100) "\08\01\12\04line")
  (func (export "kleidi_encrypt") (result i32)
    (local $request i64) (local $left i32)
    (local.set $request (call $to_block (i32.const 0x20100) (i32.const 8)))
    (if (i32.eq (call $attack) (i32.const 3))
      (then (local.set $request (call $alloc (i64.const 65536)))))
    (if (i32.eq (call $attack) (i32.const 1))
      (then
        (local.set $left (i32.const 10000))
        (loop $more
          (drop (call $write (local.get $request)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if $more (local.get $left)))))
    (if (i32.ge_u (call $attack) (i32.const 2))
      (then (loop $forever (drop (call $write (local.get $request))) (br $forever))))
    (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
