;; Begins with one page more than limits.memory.
;; Must: be refused at admission.
(module
  ;;! honest
  (memory (export "memory") 257)
  (func (export "kleidi_encrypt") (result i32) (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
