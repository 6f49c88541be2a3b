;; Replies to Decrypt with a wrong plaintext (1), like one that was kept from an earlier call; with none (2), with 513 bytes (3), with a
;; failure whose message is the plaintext (4), with the plaintext and an error (5).
;; Must: be refused; in a read-back, before anything is stored.
(module
  ;;! honest
  (memory (export "memory") 4)
  (data (i32.const 0x100) "another call's plaintext, kept..")
  (func (export "kleidi_decrypt") (result i32)
    (local $from i32)
    (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $0 (call $attack)))
      (return (call $decrypt)))
      (call $reply (i32.const 0x100) (i32.const 32) (i32.const 0)) (return (i32.const 0)))
      (call $reply (i32.const 0x100) (i32.const 0) (i32.const 0)) (return (i32.const 0)))
      (call $reply (i32.const 0x100) (i32.const 513) (i32.const 0)) (return (i32.const 0)))
      (drop (call $decrypt))
      ;; failure 1: code 3, message of 32 bytes
      (i64.store (i32.const 0x20000) (i64.const 0x20120308240a))
      (memory.copy (i32.const 0x20006) (i32.const 0x30003) (i32.const 32))
      (call $give (i32.const 0x20000) (i32.const 38)) (return (i32.const 0)))
    (drop (call $decrypt))
    (call $error_set (call $to_block (i32.const 0x30003) (i32.const 32)))
    (i32.const 0))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_encrypt") (result i32) (call $encrypt)))
