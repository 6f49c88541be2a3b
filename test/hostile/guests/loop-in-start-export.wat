;; Never returns from its export _start, which Extism runs when it makes an instance.
;; Must: be refused when it is not loaded in time.
(module
  ;;! honest
  (memory (export "memory") 4)
  (func (export "_start") (loop $forever (br $forever)))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_encrypt") (result i32) (call $encrypt))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
