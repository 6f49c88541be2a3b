/**
 * Every function that a guest may import, exactly as docs/ABI.md, sections 3 and 5, names it. asc drops imports that are not called, so
 * a module imports only what it uses. Addresses are the host's and mean nothing inside the guest's memory.
 *
 * The only file here that is not also valid TypeScript (it has decorators on functions); formatters and linters skip it.
 */

@external("extism:host/env", "input_length")
export declare function input_length(): u64;

@external("extism:host/env", "input_load_u8")
export declare function input_load_u8(offset: u64): u32;

@external("extism:host/env", "input_load_u64")
export declare function input_load_u64(offset: u64): u64;

@external("extism:host/env", "alloc")
export declare function alloc(length: u64): u64;

@external("extism:host/env", "free")
export declare function free(address: u64): void;

@external("extism:host/env", "length")
export declare function length(address: u64): u64;

@external("extism:host/env", "load_u8")
export declare function load_u8(address: u64): u32;

@external("extism:host/env", "load_u64")
export declare function load_u64(address: u64): u64;

@external("extism:host/env", "store_u8")
export declare function store_u8(address: u64, value: u32): void;

@external("extism:host/env", "store_u64")
export declare function store_u64(address: u64, value: u64): void;

@external("extism:host/env", "output_set")
export declare function output_set(address: u64, length: u64): void;

@external("extism:host/env", "error_set")
export declare function error_set(address: u64): void;

@external("kleidi:log", "write")
export declare function log_write(request: u64): u64;

@external("kleidi:keystore", "info")
export declare function keystore_info(request: u64): u64;

@external("kleidi:keystore", "seal")
export declare function keystore_seal(request: u64): u64;

@external("kleidi:keystore", "open")
export declare function keystore_open(request: u64): u64;

@external("kleidi:keystore", "s2k")
export declare function keystore_s2k(request: u64): u64;

@external("kleidi:crypto", "random")
export declare function crypto_random(request: u64): u64;

@external("kleidi:crypto", "digest")
export declare function crypto_digest(request: u64): u64;

@external("kleidi:crypto", "hmac")
export declare function crypto_hmac(request: u64): u64;

@external("kleidi:crypto", "hkdf")
export declare function crypto_hkdf(request: u64): u64;

@external("kleidi:crypto", "aead_seal")
export declare function crypto_aead_seal(request: u64): u64;

@external("kleidi:crypto", "aead_open")
export declare function crypto_aead_open(request: u64): u64;

@external("kleidi:crypto", "aes_cfb_encrypt")
export declare function crypto_aes_cfb_encrypt(request: u64): u64;

@external("kleidi:crypto", "aes_cfb_decrypt")
export declare function crypto_aes_cfb_decrypt(request: u64): u64;

@external("kleidi:crypto", "ecdh")
export declare function crypto_ecdh(request: u64): u64;

@external("kleidi:pkcs11", "find")
export declare function pkcs11_find(request: u64): u64;

@external("kleidi:pkcs11", "encrypt")
export declare function pkcs11_encrypt(request: u64): u64;

@external("kleidi:pkcs11", "decrypt")
export declare function pkcs11_decrypt(request: u64): u64;

@external("kleidi:tpm", "enter")
export declare function tpm_enter(request: u64): u64;

@external("kleidi:tpm", "transmit")
export declare function tpm_transmit(request: u64): u64;

@external("kleidi:tpm", "leave")
export declare function tpm_leave(request: u64): u64;

@external("kleidi:state", "get")
export declare function state_get(request: u64): u64;

@external("kleidi:state", "put")
export declare function state_put(request: u64): u64;

@external("kleidi:net", "request")
export declare function net_request(request: u64): u64;
