;; Calls the host before any export runs. The address is invalid, and the call must never be reached.
(module
  (import "kleidi:log" "write" (func $write (param i64) (result i64)))
  (memory (export "memory") 1 1)
  (func $start (drop (call $write (i64.const 0))))
  (start $start)
  (func (export "kleidi_status") (result i32) (i32.const 0))
  (func (export "kleidi_encrypt") (result i32) (i32.const 0))
  (func (export "kleidi_decrypt") (result i32) (i32.const 0)))
