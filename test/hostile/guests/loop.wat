;; Never returns: from the requested export (1), and from a chain of tail calls, which needs no stack (2).
;; Must: be stopped at the deadline with its process; the next call is served by the standby.
(module
  ;;! honest
  (memory (export "memory") 4)
  (func $tail (return_call $tail))
  (func $maybe
    (if (i32.eq (call $attack) (i32.const 1)) (then (loop $forever (br $forever))))
    (if (i32.eq (call $attack) (i32.const 2)) (then (call $tail))))
  (func (export "kleidi_status") (result i32) (call $maybe) (call $status))
  (func (export "kleidi_encrypt") (result i32) (call $maybe) (call $encrypt))
  (func (export "kleidi_decrypt") (result i32) (call $maybe) (call $decrypt)))
