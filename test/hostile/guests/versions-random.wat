;; Picks its key's version at random: one of two (1), so that it reverts sooner or later, or one of 2^32 each time (2), so that the number
;; of versions grows.
;; Must: be refused when it reverts, and when there are too many.
;;! requests crypto random in status
(module
  (import "kleidi:crypto" "random" (func $random (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  (data (i32.const 0x100) "\08\04")
  (func (export "kleidi_status") (result i32)
    (local $answer i64) (local $i i32) (local $byte i32)
    (if (i32.eqz (call $attack)) (then (return (call $status))))
    (local.set $answer (call $random (call $to_block (i32.const 0x100) (i32.const 2))))
    ;; an answer of one field, 3, with four bytes, each written as two letters
    (loop $next
      (local.set $byte (call $load_u8 (i64.add (local.get $answer) (i64.extend_i32_u (i32.add (i32.const 2) (local.get $i))))))
      (i32.store16
        (i32.add (i32.const 0x20000) (i32.mul (local.get $i) (i32.const 2)))
        (i32.add
          (i32.const 0x4141)
          (i32.or
            (i32.and (local.get $byte) (i32.const 15))
            (i32.shl (i32.shr_u (local.get $byte) (i32.const 4)) (i32.const 8)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 4))))
    (if (i32.eq (call $attack) (i32.const 1))
      (then
        (i32.store8 (i32.const 0x20000) (i32.add (i32.const 0x41) (i32.and (local.get $byte) (i32.const 1))))
        (call $reply (i32.const 0x20000) (i32.const 1) (i32.const 0))
        (return (i32.const 0))))
    (call $reply (i32.const 0x20000) (i32.const 8) (i32.const 0))
    (i32.const 0))
  (func (export "kleidi_encrypt") (result i32) (call $encrypt))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
