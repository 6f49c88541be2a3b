# Never "create": Encrypt with a key that is missing would make one.
path "transit/keys/kek-2026" {
  capabilities = ["read"]
}

path "transit/encrypt/kek-2026" {
  capabilities = ["update"]
}

path "transit/decrypt/kek-2026" {
  capabilities = ["update"]
}
