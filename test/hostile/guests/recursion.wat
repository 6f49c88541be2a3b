;; Calls itself endlessly: directly (1), through another function (2), through the table (3), with many locals (4).
;; Must: exhaust its own stack and fail, while its process survives.
(module
  ;;! honest
  (memory (export "memory") 4)
  (type $step (func (param i32) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) $through)
  ;; a sum after the call, so that none is a tail call
  (func $direct (param i32) (result i32) (i32.add (i32.const 1) (call $direct (local.get 0))))
  (func $ping (param i32) (result i32) (i32.add (i32.const 1) (call $pong (local.get 0))))
  (func $pong (param i32) (result i32) (i32.add (i32.const 1) (call $ping (local.get 0))))
  (func $through (param i32) (result i32)
    (i32.add (i32.const 1) (call_indirect (type $step) (local.get 0) (i32.const 0))))
  (func $wide (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
    (i64.add
      (call $wide
        (local.get 7) (local.get 0) (local.get 1) (local.get 2)
        (local.get 3) (local.get 4) (local.get 5) (local.get 6))
      (i64.add (local.get 0) (i64.mul (local.get 3) (local.get 7)))))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_encrypt") (result i32)
    (if (i32.eq (call $attack) (i32.const 1)) (then (return (call $direct (i32.const 0)))))
    (if (i32.eq (call $attack) (i32.const 2)) (then (return (call $ping (i32.const 0)))))
    (if (i32.eq (call $attack) (i32.const 3)) (then (return (call $through (i32.const 0)))))
    (if (i32.eq (call $attack) (i32.const 4))
      (then
        (return
          (i32.wrap_i64
            (call $wide
              (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
              (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8))))))
    (call $encrypt))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
