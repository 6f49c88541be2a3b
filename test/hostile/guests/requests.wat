;; Makes a host call with an invalid request: garbage (1), 65,537 bytes (2), a field that claims 2 GiB (3), 64 KiB of nested groups (4), an
;; unknown level (5), a tag that never ends (6); and with a valid request without known fields (7).
;; Must: be answered with code 2, invalid; the last one with 0.
;;! requests log write in encrypt
(module
  (import "kleidi:log" "write" (func $write (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 5)
  (data (i32.const 0x100) "\ff\fe\fd\fc")
  (data (i32.const 0x200) "\12\ff\ff\ff\ff\07aaaa")
  (data (i32.const 0x300) "\08\ff\ff\ff\ff\0f")
  (data (i32.const 0x400) "\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff")
  (data (i32.const 0x500) "\7a\00")
  ;; The code of an answer: its first field, absent where it is 0.
  (func $code (param $answer i64) (result i32)
    (if (i64.eqz (call $block_length (local.get $answer))) (then (return (i32.const 0))))
    (if (i32.ne (call $load_u8 (local.get $answer)) (i32.const 8)) (then (return (i32.const 0))))
    (call $load_u8 (i64.add (local.get $answer) (i64.const 1))))
  (func $ask (param $from i32) (param $n i32) (result i32)
    (call $tell (call $code (call $write (call $to_block (local.get $from) (local.get $n))))))
  (func (export "kleidi_encrypt") (result i32)
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $0 (call $attack)))
      (return (call $encrypt)))
      (return (call $ask (i32.const 0x100) (i32.const 4))))
      (return (call $ask (i32.const 0x20000) (i32.const 65537))))
      (return (call $ask (i32.const 0x200) (i32.const 10))))
      (memory.fill (i32.const 0x30000) (i32.const 0x7b) (i32.const 65536))
      (return (call $ask (i32.const 0x30000) (i32.const 65536))))
      (return (call $ask (i32.const 0x300) (i32.const 6))))
      (return (call $ask (i32.const 0x400) (i32.const 12))))
    (call $ask (i32.const 0x500) (i32.const 2)))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
