/** Values of PKCS #11 (OASIS, Cryptographic Token Interface Base Specification 2.40 and 3.1; the header is pkcs11t.h). */

/** Return values (3.1, Base Specification 5.1) that the host tells apart. */
export const CKR = /** @type {const} */ ({
  OK: 0x0,
  GENERAL_ERROR: 0x5,
  FUNCTION_FAILED: 0x6,
  ATTRIBUTE_SENSITIVE: 0x11,
  ATTRIBUTE_TYPE_INVALID: 0x12,
  DEVICE_ERROR: 0x30,
  DEVICE_REMOVED: 0x32,
  ENCRYPTED_DATA_INVALID: 0x40,
  ENCRYPTED_DATA_LEN_RANGE: 0x41,
  AEAD_DECRYPT_FAILED: 0x42,
  KEY_HANDLE_INVALID: 0x60,
  KEY_FUNCTION_NOT_PERMITTED: 0x68,
  MECHANISM_INVALID: 0x70,
  MECHANISM_PARAM_INVALID: 0x71,
  OBJECT_HANDLE_INVALID: 0x82,
  PIN_INCORRECT: 0xa0,
  PIN_INVALID: 0xa1,
  PIN_LEN_RANGE: 0xa2,
  PIN_EXPIRED: 0xa3,
  PIN_LOCKED: 0xa4,
  SESSION_CLOSED: 0xb0,
  SESSION_HANDLE_INVALID: 0xb3,
  TOKEN_NOT_PRESENT: 0xe0,
  USER_ALREADY_LOGGED_IN: 0x100,
  USER_NOT_LOGGED_IN: 0x101,
  WRAPPED_KEY_INVALID: 0x110,
  WRAPPED_KEY_LEN_RANGE: 0x112,
});

/** Attributes of an object (3.1, 4.2 to 4.8). */
export const CKA = /** @type {const} */ ({
  CLASS: 0x0,
  TOKEN: 0x1,
  LABEL: 0x3,
  UNIQUE_ID: 0x4,
  VALUE: 0x11,
  CHECK_VALUE: 0x90,
  KEY_TYPE: 0x100,
  ID: 0x102,
  SENSITIVE: 0x103,
  VALUE_LEN: 0x161,
  EXTRACTABLE: 0x162,
});

export const CKO_SECRET_KEY = 4;
export const CKK_AES = 0x1f;
export const CKM_AES_GCM = 0x1087;
/** AES Key Wrap of RFC 3394 (3.1, 6.13.8). */
export const CKM_AES_KEY_WRAP = 0x2109;
/** CKF_SERIAL_SESSION: every session needs it (3.1, 5.6.1). */
export const SERIAL_SESSION = 4;
export const CKU_USER = 1;

/** Flags of CK_TOKEN_INFO (3.1, 3.2). */
export const TOKEN_FLAG = /** @type {const} */ ({
  LOGIN_REQUIRED: 0x4,
  USER_PIN_COUNT_LOW: 0x10000,
  USER_PIN_FINAL_TRY: 0x20000,
  USER_PIN_LOCKED: 0x40000,
});
