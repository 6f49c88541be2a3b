;; Begins with a table of ten million entries.
;; Must: be refused at admission.
(module
  ;;! honest
  (memory (export "memory") 4)
  (table 10000000 funcref)
  (func (export "kleidi_encrypt") (result i32) (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
