;; Reports as its key's version invalid UTF-8 (1), two lines (2), terminal escapes (3), 129 bytes (4), nothing (5), the same one twice (6),
;; 257 older ones (7).
;; Must: be refused; no message contains any of it.
(module
  ;;! honest
  (memory (export "memory") 4)
  (data (i32.const 0x100) "\12\02\c3\28")
  (data (i32.const 0x200) "\12\08v1\0aforge")
  (data (i32.const 0x300) "\12\07v1\1b[2J\07")
  (data (i32.const 0x400) "\1a\02v0")
  (data (i32.const 0x500) "\12\02v1\1a\02v1")
  (func $older
    (local $i i32)
    (i32.store (i32.const 0x30000) (i32.const 0x31760212))
    (loop $next
      (i64.store
        (i32.add (i32.const 0x30004) (i32.mul (local.get $i) (i32.const 4)))
        (i64.or
          (i64.const 0x021a)
          (i64.shl
            (i64.extend_i32_u
              (i32.or
                (i32.add (i32.const 65) (i32.and (local.get $i) (i32.const 31)))
                (i32.shl (i32.add (i32.const 65) (i32.shr_u (local.get $i) (i32.const 5))) (i32.const 8))))
            (i64.const 16))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 257))))
    (call $give (i32.const 0x30000) (i32.const 1032)))
  (func (export "kleidi_status") (result i32)
    (block $7 (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $6 $7 $0 (call $attack)))
      (return (call $status)))
      (call $give (i32.const 0x100) (i32.const 4)) (return (i32.const 0)))
      (call $give (i32.const 0x200) (i32.const 10)) (return (i32.const 0)))
      (call $give (i32.const 0x300) (i32.const 9)) (return (i32.const 0)))
      (memory.fill (i32.const 0x20000) (i32.const 0x76) (i32.const 129))
      (call $reply (i32.const 0x20000) (i32.const 129) (i32.const 0)) (return (i32.const 0)))
      (call $give (i32.const 0x400) (i32.const 4)) (return (i32.const 0)))
      (call $give (i32.const 0x500) (i32.const 8)) (return (i32.const 0)))
    (call $older)
    (i32.const 0))
  (func (export "kleidi_encrypt") (result i32) (call $encrypt))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
