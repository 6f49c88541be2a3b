;; Takes all table entries, without a declared maximum: one by one (1), all at once (2).
;; Must: get limits.tableEntries and not one entry more.
(module
  ;;! honest
  (memory (export "memory") 4)
  (table $table 1 funcref)
  (func (export "kleidi_encrypt") (result i32)
    (if (i32.eq (call $attack) (i32.const 1))
      (then
        (loop $more
          (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1)) (i32.const -1))))
        (return (call $tell (table.size $table)))))
    (if (i32.eq (call $attack) (i32.const 2))
      (then (return (call $tell (table.grow $table (ref.null func) (i32.const 0x7fffffff))))))
    (call $encrypt))
  (func (export "kleidi_status") (result i32) (call $status))
  (func (export "kleidi_decrypt") (result i32) (call $decrypt)))
