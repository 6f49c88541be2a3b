/**
 * kleidi:crypto, the capability without authority: it computes on bytes that the guest already has, so it runs here and not in
 * the host. docs/ABI.md, section 5, names the sources.
 */
import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from "node:crypto";
import { bytesField, decode, numberField, textField } from "./codec.mjs";

const MAX_LENGTH = 256;
const TAG = 16;
const CURVES = new Map([
  ["P-256", { name: "prime256v1", bytes: 32 }],
  ["P-384", { name: "secp384r1", bytes: 48 }],
]);

/** The data does not authenticate with this key. */
export class NotAuthentic extends Error {}

/** @typedef {Map<number, number | Uint8Array>} Fields */

/** @type {Record<string, (fields: Fields) => Uint8Array>} */
const operations = {
  random: (fields) => randomBytes(outputLength(fields, 1)),
  digest: (fields) => createHash(algorithm(fields)).update(bytesField(fields, 2)).digest(),
  hmac: (fields) =>
    createHmac(algorithm(fields), bytesField(fields, 2)).update(bytesField(fields, 3)).digest(),
  hkdf: (fields) =>
    new Uint8Array(
      hkdfSync(
        algorithm(fields),
        bytesField(fields, 2),
        bytesField(fields, 3),
        bytesField(fields, 4),
        outputLength(fields, 5),
      ),
    ),
  aead_seal(fields) {
    const { key, nonce, data, associated } = aead(fields);
    const cipher = createCipheriv(gcm(key), key, nonce, { authTagLength: TAG });
    cipher.setAAD(associated);
    return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  },
  aead_open(fields) {
    const { key, nonce, data, associated } = aead(fields);
    if (data.length < TAG) throw new NotAuthentic("the data is shorter than its tag");
    const cipher = createDecipheriv(gcm(key), key, nonce, { authTagLength: TAG });
    cipher.setAAD(associated);
    cipher.setAuthTag(data.subarray(data.length - TAG));
    const plaintext = cipher.update(data.subarray(0, data.length - TAG));
    try {
      return Buffer.concat([plaintext, cipher.final()]);
    } catch {
      throw new NotAuthentic("the tag is wrong");
    }
  },
  aes_cfb_encrypt(fields) {
    const { key, iv, data } = cfb(fields);
    return createCipheriv(`aes-${key.length * 8}-cfb`, key, iv).update(data);
  },
  aes_cfb_decrypt(fields) {
    const { key, iv, data } = cfb(fields);
    return createDecipheriv(`aes-${key.length * 8}-cfb`, key, iv).update(data);
  },
  ecdh(fields) {
    const curve = CURVES.get(textField(fields, 1));
    if (curve === undefined) throw new RangeError('the curve must be "P-256" or "P-384"');
    const scalar = bytesField(fields, 2);
    if (scalar.length !== curve.bytes) {
      throw new RangeError(`the private key is ${scalar.length} bytes, it must be ${curve.bytes}`);
    }
    const own = createECDH(curve.name);
    own.setPrivateKey(scalar);
    const peer = bytesField(fields, 3);
    if (peer.length > 0 && peer[0] !== 4) throw new RangeError("the peer's point must be uncompressed");
    return peer.length === 0 ? own.getPublicKey() : own.computeSecret(peer);
  },
};

/**
 * @param {string} operation
 * @param {Uint8Array} request
 * @returns {Uint8Array | undefined} undefined if the operation does not exist
 * @throws {NotAuthentic} if the data does not authenticate
 * @throws {Error} if the request is not valid
 */
export function compute(operation, request) {
  const run = Object.hasOwn(operations, operation) ? operations[operation] : undefined;
  return run?.(decode(request));
}

/** @param {Fields} fields */
function algorithm(fields) {
  const name = textField(fields, 1);
  if (name !== "sha256" && name !== "sha384" && name !== "sha512") {
    throw new RangeError('the algorithm must be "sha256", "sha384" or "sha512"');
  }
  return name;
}

/**
 * @param {Fields} fields
 * @param {number} number
 */
function outputLength(fields, number) {
  const length = numberField(fields, number);
  if (length < 1 || length > MAX_LENGTH) {
    throw new RangeError(`the requested length is ${length}, 1 to ${MAX_LENGTH} are allowed`);
  }
  return length;
}

/** @param {Fields} fields */
function aead(fields) {
  const key = aesKey(bytesField(fields, 1));
  const nonce = bytesField(fields, 2);
  if (nonce.length !== 12) throw new RangeError(`the nonce is ${nonce.length} bytes, it must be 12`);
  return { key, nonce, data: bytesField(fields, 3), associated: bytesField(fields, 4) };
}

/** @param {Uint8Array} key */
function gcm(key) {
  return key.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
}

/** @param {Fields} fields */
function cfb(fields) {
  const key = aesKey(bytesField(fields, 1));
  const iv = bytesField(fields, 2);
  if (iv.length !== 16) throw new RangeError(`the iv is ${iv.length} bytes, it must be 16`);
  return { key, iv, data: bytesField(fields, 3) };
}

/** @param {Uint8Array} key */
function aesKey(key) {
  if (key.length !== 16 && key.length !== 32) {
    throw new RangeError(`the key is ${key.length} bytes, it must be 16 or 32`);
  }
  return key;
}
