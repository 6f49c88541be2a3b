/**
 * The limits of the KMS v2 protocol as the API server enforces them (k8s.io/apiserver 0.36, envelope/kmsv2), and kleidi's own
 * limits where the protocol has none. In bytes unless the comment names another unit.
 */

/** The API server accepts 1 to 1024; its documentation says "less than 1 kB". kleidi stays strictly below. */
export const MAX_KEY_ID = 1023;
/** The same limit as MAX_KEY_ID. */
export const MAX_CIPHERTEXT = 1023;
/** Names and values together. The API server's limit is 32 KiB; the rest is reserved for the host's own annotation. */
export const MAX_GUEST_ANNOTATIONS = 31_999;
/** Names and values of all annotations of an object together. The API server's limit is 32 KiB. */
export const MAX_ANNOTATIONS = 32_767;
/** The API server sends 32. The limit leaves room for a provider's overhead within MAX_CIPHERTEXT. */
export const MAX_PLAINTEXT = 512;
/** In milliseconds. The API server waits 3 s; it gets an error from the host before its own deadline. */
export const RPC_DEADLINE_MS = 2_400;
/** In characters (RFC 1123). */
export const MAX_ANNOTATION_NAME = 253;
/** docs/ABI.md, section 4. */
export const MAX_VERSION = 128;
/** A number of versions (docs/ABI.md, StatusReply.older_versions). */
export const MAX_OLDER_VERSIONS = 256;
/** Limits of StatusReply.unusable (docs/ABI.md): groups, prefixes in all groups, bytes of a prefix, characters of a text. */
export const MAX_UNUSABLE = { groups: 8, prefixes: 256, prefixBytes: 64, text: 512 } as const;
/** The members of a composed key. */
export const MAX_MEMBERS = 4;
