;; Uses a keystore key that another provider was granted (1), one that does not exist (2), one named like JavaScript's prototype (3), its
;; own (4) in an RPC that the grant excludes; each time it ignores the denial, makes ten more calls, and replies well.
;; Must: be denied, and its valid reply be void.
;;! requests keystore seal in encrypt
(module
  (import "kleidi:keystore" "seal" (func $seal (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  (data (i32.const 0x100) "\0a\06theirs")
  (data (i32.const 0x200) "\0a\06nobody")
  (data (i32.const 0x300) "\0a\09__proto__")
  (data (i32.const 0x400) "\0a\04mine")
  (func $insist (param $from i32) (param $n i32) (result i32)
    (local $left i32)
    (local.set $left (i32.const 11))
    (loop $again
      (drop (call $seal (call $to_block (local.get $from) (local.get $n))))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (call $encrypt))
  (func (export "kleidi_encrypt") (result i32)
    (block $4 (block $3 (block $2 (block $1 (block $0
      (br_table $0 $1 $2 $3 $4 $0 (call $attack)))
      (return (call $encrypt)))
      (return (call $insist (i32.const 0x100) (i32.const 8))))
      (return (call $insist (i32.const 0x200) (i32.const 8))))
      (return (call $insist (i32.const 0x300) (i32.const 11))))
    (call $insist (i32.const 0x400) (i32.const 6)))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
