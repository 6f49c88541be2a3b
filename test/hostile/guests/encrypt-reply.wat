;; Replies to Encrypt with its unchanged request, in a ciphertext (1) and in an annotation (2); with the other RPCs' messages (3, 4); with
;; an annotation of the host's (5), with a name that is invalid UTF-8 (6); with 30,000 empty annotations (7); with 64 KiB of nested groups
;; (8); with a field that claims 2 GiB (9).
;; Must: be refused before it is stored.
(module
  ;;! honest
  (memory (export "memory") 5)
  (data (i32.const 0x300) "\12\02v1\1a\02v0")
  (data (i32.const 0x400) "\12\04echo")
  (data (i32.const 0x500) "\12\01c\1a\11\0a\0cx.kleidi.dev\12\01x")
  (data (i32.const 0x600) "\12\01c\1a\06\0a\04a.\c3\28")
  (data (i32.const 0x700) "\12\ff\ff\ff\ff\07c")
  (func $annotate
    (local $from i32)
    (local.set $from (call $field (i32.const 3)))
    ;; ciphertext "c"; annotation of 39 bytes: the name "a.b", the value 32 bytes
    (i64.store (i32.const 0x20000) (i64.const 0x0a271a630112))
    (i64.store (i32.const 0x20005) (i64.const 0x2012622e61030a))
    (memory.copy (i32.const 0x2000c) (local.get $from) (i32.const 32))
    (call $give (i32.const 0x20000) (i32.const 44)))
  (func $many
    (local $i i32)
    (loop $next
      (i32.store16 (i32.add (i32.const 0x30000) (local.get $i)) (i32.const 0x001a))
      (local.set $i (i32.add (local.get $i) (i32.const 2)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 60000))))
    (i32.store (i32.const 0x3ea60) (i32.const 0x630112))
    (call $give (i32.const 0x30000) (i32.const 60003)))
  (func (export "kleidi_encrypt") (result i32)
    (local $from i32)
    (block $9 (block $8 (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $8 $9 $0 (call $attack)))
      (return (call $encrypt)))
      (local.set $from (call $field (i32.const 3)))
      (call $reply (local.get $from) (global.get $length) (i32.const 0))
      (return (i32.const 0)))
      (call $annotate) (return (i32.const 0)))
      (call $give (i32.const 0x300) (i32.const 8)) (return (i32.const 0)))
      (call $give (i32.const 0x400) (i32.const 6)) (return (i32.const 0)))
      (call $give (i32.const 0x500) (i32.const 22)) (return (i32.const 0)))
      (call $give (i32.const 0x600) (i32.const 11)) (return (i32.const 0)))
      (call $many) (return (i32.const 0)))
      (memory.fill (i32.const 0x30000) (i32.const 0x7b) (i32.const 65536))
      (call $give (i32.const 0x30000) (i32.const 65536)) (return (i32.const 0)))
    (call $give (i32.const 0x700) (i32.const 7))
    (i32.const 0))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
