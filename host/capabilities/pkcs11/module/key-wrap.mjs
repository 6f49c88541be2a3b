/**
 * AES-KW: the token wraps a data key that is new for each plaintext, and the data key encrypts it in this process (AES-GCM). For tokens
 * without CKM_AES_GCM, and for those that take no nonce from outside. The data key is a session object as long as the token needs it.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { copied } from "./arena.mjs";
import { CKA, CKK_AES, CKM_AES_KEY_WRAP, CKO_SECRET_KEY, CKR } from "./constants.mjs";
import { CryptokiError } from "./cryptoki.mjs";
import { mechanism, words } from "./layout.mjs";

/** @typedef {import("./cryptoki.mjs").Cryptoki} Cryptoki */

const DATA_KEY_BYTES = 32;
/** A data key that is wrapped (RFC 3394, 2.2.1). */
const WRAPPED_BYTES = DATA_KEY_BYTES + 8;
const TAG_BYTES = 16;

/** The tag is wrong, or the token gave a key of another size. */
export class NotWrappedHere extends Error {}

/**
 * @param {Cryptoki} module
 * @param {bigint} session
 * @param {bigint} key that wraps
 * @param {Uint8Array} iv
 * @param {Uint8Array} aad
 * @param {Uint8Array} plaintext
 * @returns {Buffer} the wrapped data key, the ciphertext and the tag
 */
export function encryptByWrap(module, session, key, iv, aad, plaintext) {
  const dataKey = randomBytes(DATA_KEY_BYTES);
  try {
    const object = module.createObject(session, [...TEMPLATE(), [CKA.VALUE, copied(dataKey)]]);
    const wrapped = using(module, session, object, () =>
      Buffer.from(module.wrapKey(session, mechanism(CKM_AES_KEY_WRAP, NOTHING), key, object, WRAPPED_BYTES)),
    );
    const cipher = createCipheriv("aes-256-gcm", dataKey, iv).setAAD(aad);
    return Buffer.concat([wrapped, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  } finally {
    dataKey.fill(0);
  }
}

/**
 * @param {Cryptoki} module
 * @param {bigint} session
 * @param {bigint} key that unwraps
 * @param {Uint8Array} iv
 * @param {Uint8Array} aad
 * @param {Uint8Array} sealed of encryptByWrap
 * @returns {Buffer}
 * @throws {NotWrappedHere}
 */
export function decryptByWrap(module, session, key, iv, aad, sealed) {
  if (sealed.length < WRAPPED_BYTES + TAG_BYTES) throw new NotWrappedHere("it is cut short");
  const wrapped = copied(sealed.subarray(0, WRAPPED_BYTES));
  const [text, tag] = [sealed.subarray(WRAPPED_BYTES, -TAG_BYTES), sealed.subarray(-TAG_BYTES)];
  const object = module.unwrapKey(session, mechanism(CKM_AES_KEY_WRAP, NOTHING), key, wrapped, TEMPLATE());
  const dataKey = using(module, session, object, () => module.attribute(session, object, CKA.VALUE));
  // A policy of the token, not a fault of the object.
  if (dataKey === undefined) throw new CryptokiError("C_GetAttributeValue", CKR.ATTRIBUTE_SENSITIVE);
  if (dataKey.length !== DATA_KEY_BYTES) throw new NotWrappedHere("the data key has another size");
  const decipher = createDecipheriv("aes-256-gcm", dataKey, iv).setAAD(aad).setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(text), decipher.final()]);
  } catch {
    throw new NotWrappedHere("the tag is wrong");
  }
}

const NOTHING = Buffer.alloc(0);

/**
 * The attributes of a data key: of this session, and readable, which is what it is wrapped for.
 * @returns {(readonly [type: number, value: Buffer])[]}
 */
const TEMPLATE = () => [
  [CKA.CLASS, words(CKO_SECRET_KEY)],
  [CKA.KEY_TYPE, words(CKK_AES)],
  [CKA.TOKEN, copied(Uint8Array.of(0))],
  [CKA.SENSITIVE, copied(Uint8Array.of(0))],
  [CKA.EXTRACTABLE, copied(Uint8Array.of(1))],
];

/**
 * Uses an object, then destroys it.
 * @template T
 * @param {Cryptoki} module
 * @param {bigint} session
 * @param {bigint} object
 * @param {() => T} use
 */
function using(module, session, object, use) {
  try {
    return use();
  } finally {
    module.destroyObject(session, object);
  }
}
