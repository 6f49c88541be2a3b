;; Imports WASI.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 1)
  (func (export "kleidi_status") (result i32) (i32.const 0))
  (func (export "kleidi_encrypt") (result i32) (i32.const 0))
  (func (export "kleidi_decrypt") (result i32) (i32.const 0)))
