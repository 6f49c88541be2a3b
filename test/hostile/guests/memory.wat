;; Takes all memory, without a declared maximum: page by page (1), the addressable maximum at once (2).
;; Must: get limits.memory and not one page more; the call itself may continue.
(module
  ;;! honest
  (memory (export "memory") 4)
  (func (export "kleidi_encrypt") (result i32)
    (if (i32.eq (call $attack) (i32.const 1))
      (then
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (return (call $tell (memory.size)))))
    (if (i32.eq (call $attack) (i32.const 2))
      (then (return (call $tell (memory.grow (i32.const 65535))))))
    (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
