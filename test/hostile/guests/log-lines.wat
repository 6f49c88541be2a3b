;; Writes unsafe text to the log: 60,000 characters (1), a line end and another line after it (2), terminal escapes (3), characters that
;; end a line or change its direction elsewhere (4), invalid UTF-8 (5).
;; Must: be one line of at most 1,024 bytes without control characters; invalid text is refused.
;;! requests log write in encrypt
(module
  (import "kleidi:log" "write" (func $write (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  (data (i32.const 0x200) "\08\01\12\21good\0a{\22level\22:60,\22msg\22:\22forged\22}\0a")
  (data (i32.const 0x300) "\08\01\12\14\1b[2J\1b]0;owned\07\c2\9bbeep")
  (data (i32.const 0x400) "\08\01\12\12one\e2\80\a8two\e2\80\ae eerht")
  (data (i32.const 0x500) "\08\01\12\04\ff\fe\c0\80")
  ;; The code of an answer: its first field, absent where it is 0.
  (func $code (param $answer i64) (result i32)
    (if (i64.eqz (call $block_length (local.get $answer))) (then (return (i32.const 0))))
    (if (i32.ne (call $load_u8 (local.get $answer)) (i32.const 8)) (then (return (i32.const 0))))
    (call $load_u8 (i64.add (local.get $answer) (i64.const 1))))
  (func $say (param $from i32) (param $n i32) (result i32)
    (call $tell (call $code (call $write (call $to_block (local.get $from) (local.get $n))))))
  (func (export "kleidi_encrypt") (result i32)
    (block $5 (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $5 $0 (call $attack)))
      (return (call $encrypt)))
      (i32.store (i32.const 0x20000) (i32.const 0xe0120108))
      (i32.store16 (i32.const 0x20004) (i32.const 0x03d4))
      (memory.fill (i32.const 0x20006) (i32.const 0x61) (i32.const 60000))
      (return (call $say (i32.const 0x20000) (i32.const 60006))))
      (return (call $say (i32.const 0x200) (i32.const 37))))
      (return (call $say (i32.const 0x300) (i32.const 24))))
      (return (call $say (i32.const 0x400) (i32.const 22))))
    (call $say (i32.const 0x500) (i32.const 8)))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
