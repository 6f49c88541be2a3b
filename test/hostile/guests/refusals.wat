;; Exceeds its budget of host calls, and frees each answer (1), or overwrites it (2), before the next call; frees answers endlessly (3). It
;; reports the code of the last answer.
;; Must: read a refusal each time, not an empty reply, which would be a success; an endless guest is stopped.
;;! requests log write in encrypt
(module
  (import "kleidi:log" "write" (func $write (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  (data (i32.const 0x20100) "\08\01\12\04line")
  ;; The code of a reply whose first field it is; 0 where the reply is empty.
  (func $code (param $reply i64) (result i32)
    (if (i64.eqz (call $block_length (local.get $reply))) (then (return (i32.const 0))))
    (call $load_u8 (i64.add (local.get $reply) (i64.const 1))))
  (func $ask (param $request i64) (param $attack i32) (result i32)
    (local $reply i64) (local $code i32)
    (local.set $reply (call $write (local.get $request)))
    (local.set $code (call $code (local.get $reply)))
    ;; A success is an empty block.
    (if (i64.eqz (call $block_length (local.get $reply))) (then (return (local.get $code))))
    (if (i32.eq (local.get $attack) (i32.const 2))
      (then (call $store_u8 (i64.add (local.get $reply) (i64.const 1)) (i32.const 0)))
      (else (call $free (local.get $reply))))
    (local.get $code))
  (func (export "kleidi_encrypt") (result i32)
    (local $request i64) (local $left i32) (local $attack i32) (local $code i32)
    (local.set $attack (call $attack))
    (if (i32.eqz (local.get $attack)) (then (return (call $encrypt))))
    (local.set $request (call $to_block (i32.const 0x20100) (i32.const 8)))
    (local.set $left (i32.const 100))
    (loop $more
      (local.set $code (call $ask (local.get $request) (local.get $attack)))
      (if (i32.ne (local.get $attack) (i32.const 3))
        (then (local.set $left (i32.sub (local.get $left) (i32.const 1)))))
      (br_if $more (local.get $left)))
    (call $tell (local.get $code)))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
