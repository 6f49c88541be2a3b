;; Passes an invalid address to a host call: 0 (1), -1 (2), its own request's (3), a freed block's (4), one within a block (5), the lowest
;; (6), one that does not exist (7).
;; Must: be answered with code 2, invalid.
;;! requests log write in encrypt
(module
  (import "kleidi:log" "write" (func $write (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  ;; The code of an answer: its first field, absent where it is 0.
  (func $code (param $answer i64) (result i32)
    (if (i64.eqz (call $block_length (local.get $answer))) (then (return (i32.const 0))))
    (if (i32.ne (call $load_u8 (local.get $answer)) (i32.const 8)) (then (return (i32.const 0))))
    (call $load_u8 (i64.add (local.get $answer) (i64.const 1))))
  (func $ask (param $address i64) (result i32)
    (call $tell (call $code (call $write (local.get $address)))))
  (func (export "kleidi_encrypt") (result i32)
    (local $block i64)
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $0 (call $attack)))
      (return (call $encrypt)))
      (return (call $ask (i64.const 0))))
      (return (call $ask (i64.const -1))))
      (return (call $ask (call $input_offset))))
      (local.set $block (call $alloc (i64.const 9)))
      (call $free (local.get $block))
      (return (call $ask (local.get $block))))
      (return (call $ask (i64.add (call $alloc (i64.const 9)) (i64.const 1)))))
      (return (call $ask (i64.const 0x8000000000000000))))
    (call $ask (i64.const 0x7000000000000)))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
