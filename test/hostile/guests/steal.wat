;; Opens any ciphertext in Decrypt, under the key and version of the request: DecryptRequest and KeystoreOpenRequest have the same fields.
;; It reports the answer's code on failure, and returns the plaintext on success.
;; Must: not open what another provider sealed, also under the same key with the same associated data.
;;! requests keystore open in decrypt
(module
  (import "kleidi:keystore" "open" (func $open (param i64) (result i64)))
  ;;! honest
  (memory (export "memory") 4)
  ;; The code of an answer: its first field, absent where it is 0.
  (func $code (param $answer i64) (result i32)
    (if (i64.eqz (call $block_length (local.get $answer))) (then (return (i32.const 0))))
    (if (i32.ne (call $load_u8 (local.get $answer)) (i32.const 8)) (then (return (i32.const 0))))
    (call $load_u8 (i64.add (local.get $answer) (i64.const 1))))
  (func (export "kleidi_encrypt") (result i32) (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32)
    (local $answer i64) (local $i i32) (local $n i32)
    (local.set $answer (call $open (call $to_block (i32.const 0x10000) (call $read_input))))
    (if (call $code (local.get $answer)) (then (return (call $tell (call $code (local.get $answer))))))
    ;; an answer of one field, 3, shorter than 128 bytes
    (local.set $n (call $load_u8 (i64.add (local.get $answer) (i64.const 1))))
    (loop $next
      (i32.store8
        (i32.add (i32.const 0x20000) (local.get $i))
        (call $load_u8 (i64.add (local.get $answer) (i64.extend_i32_u (i32.add (local.get $i) (i32.const 2))))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
    (call $reply (i32.const 0x20000) (local.get $n) (i32.const 0))
    (i32.const 0)))
