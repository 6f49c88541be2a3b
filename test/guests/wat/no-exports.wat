;; A module that is not a provider.
(module
  (memory (export "memory") 1 1))
