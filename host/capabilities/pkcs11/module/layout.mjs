/**
 * Structures of PKCS #11 on Linux with 64 bits (LP64): CK_ULONG and pointers are 8 bytes and little-endian, and each field is aligned to its
 * size, because the header of OASIS packs structures on Windows only (pkcs11.h, "CK_PTR … pragma pack").
 */
import { addressOf, allocate } from "./arena.mjs";

const WORD = 8;

/**
 * An array of CK_ULONG and pointers.
 * @param {...(number | bigint | Buffer)} words a number, or bytes in the arena whose address is written
 * @returns {Buffer} in the arena, like those of all functions here
 */
export function words(...words) {
  const bytes = allocate(words.length * WORD);
  words.forEach((word, i) => {
    bytes.writeBigUInt64LE(typeof word === "object" ? addressOf(word) : BigInt(word), i * WORD);
  });
  return bytes;
}

/**
 * A CK_ULONG that a call returns. Values over 2^53 do not occur but for CK_UNAVAILABLE_INFORMATION, which stays larger than any limit.
 * @param {Buffer} bytes
 */
export function ulong(bytes, at = 0) {
  return Number(bytes.readBigUInt64LE(at));
}

/**
 * A handle: any 64 bits that the module chooses.
 * @param {Buffer} bytes
 */
export function handle(bytes, at = 0) {
  return bytes.readBigUInt64LE(at);
}

/**
 * CK_ATTRIBUTE[] (3.1, 3.3): { CK_ATTRIBUTE_TYPE type; CK_VOID_PTR pValue; CK_ULONG ulValueLen; }, 24 bytes each.
 * @param {(readonly [type: number, value: Buffer])[]} attributes
 */
export function attributes(attributes) {
  return words(...attributes.flatMap(([type, value]) => [type, value, value.length]));
}

/**
 * The length of the attribute with this index, after C_GetAttributeValue.
 * @param {Buffer} template
 * @param {number} index
 */
export function attributeLength(template, index) {
  return ulong(template, index * 3 * WORD + 2 * WORD);
}

/**
 * CK_MECHANISM (3.1, 3.5): { CK_MECHANISM_TYPE mechanism; CK_VOID_PTR pParameter; CK_ULONG ulParameterLen; }, 24 bytes.
 * @param {number} type
 * @param {Buffer} parameter
 */
export function mechanism(type, parameter) {
  return words(type, parameter, parameter.length);
}

/**
 * CK_GCM_PARAMS (3.1, 6.13.3; 2.40 with errata 01, 2.12.3): { CK_BYTE_PTR pIv; CK_ULONG ulIvLen; CK_ULONG ulIvBits; CK_BYTE_PTR pAAD;
 * CK_ULONG ulAADLen; CK_ULONG ulTagBits; }, 48 bytes.
 * @param {Buffer} iv
 * @param {Buffer} aad
 * @param {number} tagBytes
 */
export function gcmParams(iv, aad, tagBytes) {
  return words(iv, iv.length, iv.length * 8, aad, aad.length, tagBytes * 8);
}

/**
 * CK_TOKEN_INFO (3.1, 3.2): label 32, manufacturerID 32, model 16, serialNumber 16, flags at 96, ten CK_ULONG, hardwareVersion at 184,
 * firmwareVersion at 186, utcTime 16; 208 bytes with padding.
 */
export const TOKEN_INFO_BYTES = 208;

/** @param {Buffer} info */
export function readTokenInfo(info) {
  return {
    label: padded(info, 0, 32),
    manufacturer: padded(info, 32, 32),
    model: padded(info, 64, 16),
    serial: padded(info, 80, 16),
    flags: ulong(info, 96),
    firmware: `${info.readUInt8(186)}.${info.readUInt8(187)}`,
  };
}

/**
 * CK_INFO (3.1, 3.1): cryptokiVersion 2, manufacturerID 32, flags at 40, libraryDescription 32 at 48, libraryVersion at 80; 88 bytes.
 */
export const INFO_BYTES = 88;

/** @param {Buffer} info */
export function readInfo(info) {
  return {
    cryptoki: `${info.readUInt8(0)}.${info.readUInt8(1)}`,
    library: padded(info, 48, 32),
    version: `${info.readUInt8(80)}.${info.readUInt8(81)}`,
  };
}

/**
 * A text padded with blanks (3.1, 3.1).
 * @param {Buffer} bytes
 * @param {number} at
 * @param {number} length
 */
function padded(bytes, at, length) {
  return bytes.toString("utf8", at, at + length).replace(/[ \0]+$/, "");
}
