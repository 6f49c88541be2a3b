;; A module that is no provider.
(module
  (memory (export "memory") 1 1))
