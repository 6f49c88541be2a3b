  ;; The part of each guest beside its attack: the rest of a provider, so that a call that does not request the attack is served.
  ;; Its cipher protects nothing: every byte XOR 0x55. Memory: the input at 0x10000, scratch from 0x20000, the reply at 0x30000.
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $block_length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))

  (global $at (mut i32) (i32.const 0))
  ;; The position and length of the field that was found last.
  (global $length (mut i32) (i32.const 0))

  (func $read_input (result i32)
    (local $i i32) (local $n i32)
    (local.set $n (i32.wrap_i64 (call $input_length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (i32.store8
          (i32.add (i32.const 0x10000) (local.get $i))
          (call $input_load_u8 (i64.extend_i32_u (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $n))

  (func $varint (result i32)
    (local $value i32) (local $shift i32) (local $byte i32)
    (loop $next
      (local.set $byte (i32.load8_u (global.get $at)))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (local.set $value
        (i32.or
          (local.get $value)
          (i32.shl (i32.and (local.get $byte) (i32.const 127)) (local.get $shift))))
      (local.set $shift (i32.add (local.get $shift) (i32.const 7)))
      (br_if $next (i32.ge_u (local.get $byte) (i32.const 128))))
    (local.get $value))

  ;; The address of a field of the request, all of which are LEN; 0 where it is absent.
  (func $field (param $number i32) (result i32)
    (local $end i32) (local $key i32) (local $n i32)
    (local.set $end (i32.add (i32.const 0x10000) (call $read_input)))
    (global.set $at (i32.const 0x10000))
    (block $none
      (loop $next
        (br_if $none (i32.ge_u (global.get $at) (local.get $end)))
        (local.set $key (call $varint))
        (local.set $n (call $varint))
        (if (i32.eq (i32.shr_u (local.get $key) (i32.const 3)) (local.get $number))
          (then
            (global.set $length (local.get $n))
            (return (global.get $at))))
        (global.set $at (i32.add (global.get $at) (local.get $n)))
        (br $next)))
    (global.set $length (i32.const 0))
    (i32.const 0))

  ;; The number of the requested attack: the digit at the end of the key's name, 0 for none.
  (func $attack (result i32)
    (local $key i32) (local $last i32)
    (local.set $key (call $field (i32.const 1)))
    (local.set $last
      (i32.sub
        (i32.load8_u (i32.sub (i32.add (local.get $key) (global.get $length)) (i32.const 1)))
        (i32.const 48)))
    (select (local.get $last) (i32.const 0) (i32.lt_u (local.get $last) (i32.const 10))))

  (func $to_block (param $from i32) (param $n i32) (result i64)
    (local $block i64) (local $i i32)
    (local.set $block (call $alloc (i64.extend_i32_u (local.get $n))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (call $store_u8
          (i64.add (local.get $block) (i64.extend_i32_u (local.get $i)))
          (i32.load8_u (i32.add (local.get $from) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (local.get $block))

  (func $give (param $from i32) (param $n i32)
    (call $output_set (call $to_block (local.get $from) (local.get $n)) (i64.extend_i32_u (local.get $n))))

  ;; A reply of one field, 2: `n` bytes from `from`, each XORed with `xor`.
  (func $reply (param $from i32) (param $n i32) (param $xor i32)
    (local $i i32)
    (i32.store8 (i32.const 0x30000) (i32.const 0x12))
    (i32.store8 (i32.const 0x30001) (i32.or (i32.and (local.get $n) (i32.const 127)) (i32.const 128)))
    (i32.store8 (i32.const 0x30002) (i32.shr_u (local.get $n) (i32.const 7)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
        (i32.store8
          (i32.add (i32.const 0x30003) (local.get $i))
          (i32.xor (i32.load8_u (i32.add (local.get $from) (local.get $i))) (local.get $xor)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $give (i32.const 0x30000) (i32.add (local.get $n) (i32.const 3))))

  ;; A ciphertext that reports one number to the test: 4 bytes, little-endian.
  (func $tell (param $number i32) (result i32)
    (i32.store (i32.const 0x20000) (local.get $number))
    (call $reply (i32.const 0x20000) (i32.const 4) (i32.const 0))
    (i32.const 0))

  (func $encrypt (result i32)
    (local $from i32)
    (local.set $from (call $field (i32.const 3)))
    (call $reply (local.get $from) (global.get $length) (i32.const 0x55))
    (i32.const 0))

  ;; The same field, the same XOR, the same field of the reply.
  (func $decrypt (result i32)
    (call $encrypt))

  (func $status (result i32)
    (i32.store16 (i32.const 0x20000) (i32.const 0x3176)) ;; "v1"
    (call $reply (i32.const 0x20000) (i32.const 2) (i32.const 0))
    (i32.const 0))
