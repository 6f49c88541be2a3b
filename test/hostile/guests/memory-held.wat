;; Takes and writes all the memory it can get, and holds it while it waits for the host, in as many calls as can run at once (1); the same
;; without waiting, call after call (2).
;; Must: be held within limits.memory for each instance.
;;! requests keystore info in encrypt
(module
  (import "kleidi:keystore" "info" (func $info (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  (func $fill
    (drop (memory.grow (i32.const 252)))
    (memory.fill (i32.const 0x40000) (i32.const 0x5a) (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 0x40000))))
  (func (export "kleidi_encrypt") (result i32)
    (local $attack i32)
    (local.set $attack (call $attack))
    (if (i32.ne (local.get $attack) (i32.const 0)) (then (call $fill)))
    (if (i32.eq (local.get $attack) (i32.const 1))
      (then (drop (call $info (call $to_block (i32.const 0x10000) (call $read_input))))))
    (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
