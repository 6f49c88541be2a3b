;; Waits for the host in a call that is past its deadline (1), and reports the first byte of the body of the answer that it gets.
;; Must: be ended without its process; the late answer reaches no later call.
;;! requests keystore info in encrypt
(module
  (import "kleidi:keystore" "info" (func $info (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  (func (export "kleidi_encrypt") (result i32)
    (local $answer i64)
    (if (i32.eqz (call $attack)) (then (return (call $encrypt))))
    (local.set $answer (call $info (call $to_block (i32.const 0x10000) (call $read_input))))
    ;; an answer of one field, 3
    (call $tell (call $load_u8 (i64.add (local.get $answer) (i64.const 2)))))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
