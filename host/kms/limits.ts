/**
 * The bounds of the KMS v2 protocol as the API server enforces them (k8s.io/apiserver 0.36, envelope/kmsv2), and kleidi's own
 * where the protocol has none. All in bytes.
 */

/** The API server accepts 1 to 1024; its documentation says "less than 1 kB". kleidi stays strictly below. */
export const MAX_KEY_ID = 1023;
/** As MAX_KEY_ID. */
export const MAX_CIPHERTEXT = 1023;
/** Below 32 KiB for names and values together; the rest is room for the host's own annotation. */
export const MAX_GUEST_ANNOTATIONS = 31_999;
/** The API server sends 32. The bound leaves a provider room for its overhead within MAX_CIPHERTEXT. */
export const MAX_PLAINTEXT = 512;
/** RFC 1123: a name of labels, 253 characters in all. */
export const MAX_ANNOTATION_NAME = 253;
/** docs/ABI.md, section 4. */
export const MAX_VERSION = 128;
/** docs/ABI.md, StatusReply.older_versions. */
export const MAX_OLDER_VERSIONS = 256;
