# Never "create": Encrypt with a missing key would create it.
path "transit/keys/kek-2026" {
  capabilities = ["read"]
}

path "transit/encrypt/kek-2026" {
  capabilities = ["update"]
}

path "transit/decrypt/kek-2026" {
  capabilities = ["update"]
}
