;; Calls kleidi:log without need: ten thousand times, then replies well (1); without end (2); without end and with
;; requests of 64 KiB (3).
;; Must: write its budget of lines; what is over it is answered with a limit, out of one block, and what has no end is stopped.
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
