/**
 * The functions of a PKCS #11 module that the host uses, called by node:ffi. All bytes that they get are in the arena. Each
 * throws a CryptokiError for a return value other than CKR_OK. Calls block this process, which has nothing else to do.
 */
import { DynamicLibrary } from "node:ffi";
import { addressOf, allocate } from "./arena.mjs";
import { CKR, CKU_USER, SERIAL_SESSION } from "./constants.mjs";
import {
  attributeLength,
  attributes,
  handle,
  INFO_BYTES,
  readInfo,
  readTokenInfo,
  TOKEN_INFO_BYTES,
  ulong,
  words,
} from "./layout.mjs";

/** The parameters after each function's name (3.1, 5): l a CK_ULONG or a handle, p a pointer or null. All return CK_RV. */
const FUNCTIONS = /** @type {const} */ ({
  C_Initialize: "p",
  C_GetInfo: "p",
  C_GetSlotList: "lpp",
  C_GetTokenInfo: "lp",
  C_GetMechanismInfo: "llp",
  C_OpenSession: "llppp",
  C_Login: "llpl",
  C_FindObjectsInit: "lpl",
  C_FindObjects: "lplp",
  C_FindObjectsFinal: "l",
  C_GetAttributeValue: "llpl",
  C_CreateObject: "lplp",
  C_DestroyObject: "ll",
  C_WrapKey: "lpllpp",
  C_UnwrapKey: "lplplplp",
  C_EncryptInit: "lpl",
  C_Encrypt: "lplpp",
  C_DecryptInit: "lpl",
  C_Decrypt: "lplpp",
});
/** @typedef {keyof typeof FUNCTIONS} FunctionName */

/** CK_MECHANISM_INFO (3.1, 3.5): ulMinKeySize, ulMaxKeySize, flags. */
const MECHANISM_INFO_BYTES = 24;
/** Slots of an HSM with partitions; a module that reports more is not believed. */
const MAX_SLOTS = 256;
/** CKA_ID and the like are far shorter. */
const MAX_ATTRIBUTE = 256;

export class CryptokiError extends Error {
  /**
   * @param {FunctionName} call
   * @param {number} rv the CK_RV
   */
  constructor(call, rv) {
    super(`${call} returned 0x${rv.toString(16)}`);
    this.call = call;
    this.rv = rv;
  }
}

export class Cryptoki {
  /** @type {Record<FunctionName, (...words: (bigint | null)[]) => bigint>} */
  #functions;

  /**
   * @param {string} path of the module
   * @throws {Error} it cannot be loaded, or lacks a function
   */
  constructor(path) {
    const library = new DynamicLibrary(path);
    this.#functions = /** @type {any} */ (
      Object.fromEntries(
        Object.entries(FUNCTIONS).map(([name, parameters]) => {
          const types = [...parameters].map((each) => (each === "l" ? "u64" : "pointer"));
          return [name, library.getFunction(name, { arguments: /** @type {any} */ (types), return: "u64" })];
        }),
      )
    );
  }

  /** C_Initialize without arguments: one thread alone calls the module (3.1, 5.4.1). */
  initialize() {
    this.#call("C_Initialize", null);
  }

  info() {
    const info = allocate(INFO_BYTES);
    this.#call("C_GetInfo", info);
    return readInfo(info);
  }

  /**
   * The slots with a token.
   * @returns {number[]}
   */
  slots() {
    const slots = allocate(MAX_SLOTS * 8);
    const count = words(MAX_SLOTS);
    this.#call("C_GetSlotList", 1, slots, count);
    return Array.from({ length: Math.min(ulong(count), MAX_SLOTS) }, (_, i) => ulong(slots, i * 8));
  }

  /** @param {number} slot */
  tokenInfo(slot) {
    const info = allocate(TOKEN_INFO_BYTES);
    this.#call("C_GetTokenInfo", slot, info);
    return readTokenInfo(info);
  }

  /**
   * @param {number} slot
   * @param {number} mechanism
   */
  hasMechanism(slot, mechanism) {
    return this.#return("C_GetMechanismInfo", slot, mechanism, allocate(MECHANISM_INFO_BYTES)) === CKR.OK;
  }

  /**
   * Opens a session that cannot change objects.
   * @param {number} slot
   * @returns {bigint}
   */
  openSession(slot) {
    const session = words(0);
    this.#call("C_OpenSession", slot, SERIAL_SESSION, null, null, session);
    return handle(session);
  }

  /**
   * Logs the user in.
   * @param {bigint} session
   * @param {Buffer} pin
   */
  login(session, pin) {
    this.#call("C_Login", session, CKU_USER, pin, pin.length);
  }

  /**
   * @param {bigint} session
   * @param {(readonly [type: number, value: Buffer])[]} wanted
   * @param {number} most handles that are returned
   * @returns {bigint[]}
   */
  findObjects(session, wanted, most) {
    const handles = allocate(most * 8);
    const count = words(0);
    this.#call("C_FindObjectsInit", session, attributes(wanted), wanted.length);
    try {
      this.#call("C_FindObjects", session, handles, most, count);
    } finally {
      this.#return("C_FindObjectsFinal", session);
    }
    return Array.from({ length: Math.min(ulong(count), most) }, (_, i) => handle(handles, i * 8));
  }

  /**
   * @param {bigint} session
   * @param {bigint} object
   * @param {number} type
   * @returns {Buffer | undefined} undefined if the token does not give it
   */
  attribute(session, object, type) {
    const value = allocate(MAX_ATTRIBUTE);
    const template = attributes([[type, value]]);
    const rv = this.#return("C_GetAttributeValue", session, object, template, 1);
    if (rv === CKR.ATTRIBUTE_TYPE_INVALID || rv === CKR.ATTRIBUTE_SENSITIVE) return undefined;
    if (rv !== CKR.OK) throw new CryptokiError("C_GetAttributeValue", rv);
    const length = attributeLength(template, 0);
    // CK_UNAVAILABLE_INFORMATION, or a lie
    return length > MAX_ATTRIBUTE ? undefined : value.subarray(0, length);
  }

  /**
   * Creates an object of the session.
   * @param {bigint} session
   * @param {(readonly [type: number, value: Buffer])[]} template
   * @returns {bigint} its handle
   */
  createObject(session, template) {
    const object = words(0);
    this.#call("C_CreateObject", session, attributes(template), template.length, object);
    return handle(object);
  }

  /**
   * @param {bigint} session
   * @param {bigint} object
   */
  destroyObject(session, object) {
    this.#call("C_DestroyObject", session, object);
  }

  /**
   * @param {bigint} session
   * @param {Buffer} mechanism
   * @param {bigint} key that wraps
   * @param {bigint} object that is wrapped
   * @param {number} most bytes of output
   * @returns {Buffer}
   */
  wrapKey(session, mechanism, key, object, most) {
    const output = allocate(most);
    const length = words(most);
    this.#call("C_WrapKey", session, mechanism, key, object, output, length);
    return output.subarray(0, Math.min(ulong(length), most));
  }

  /**
   * @param {bigint} session
   * @param {Buffer} mechanism
   * @param {bigint} key that unwraps
   * @param {Buffer} wrapped
   * @param {(readonly [type: number, value: Buffer])[]} template of the new object
   * @returns {bigint} its handle
   */
  unwrapKey(session, mechanism, key, wrapped, template) {
    const object = words(0);
    this.#call(
      "C_UnwrapKey",
      ...[session, mechanism, key, wrapped, wrapped.length, attributes(template), template.length, object],
    );
    return handle(object);
  }

  /**
   * @param {"Encrypt" | "Decrypt"} name
   * @param {bigint} session
   * @param {bigint} key
   * @param {Buffer} mechanism
   * @param {Buffer} input
   * @param {number} most bytes of output
   * @returns {Buffer}
   */
  crypt(name, session, key, mechanism, input, most) {
    const output = allocate(most);
    const length = words(most);
    this.#call(`C_${name}Init`, session, mechanism, key);
    this.#call(`C_${name}`, session, input, input.length, output, length);
    return output.subarray(0, Math.min(ulong(length), most));
  }

  /**
   * @param {FunctionName} name
   * @param {...(number | bigint | Buffer | null)} words
   */
  #call(name, ...words) {
    const rv = this.#return(name, ...words);
    if (rv !== CKR.OK) throw new CryptokiError(name, rv);
  }

  /**
   * @param {FunctionName} name
   * @param {...(number | bigint | Buffer | null)} words
   * @returns {number}
   */
  #return(name, ...words) {
    const given = words.map((word) => (typeof word === "object" ? word && addressOf(word) : BigInt(word)));
    return Number(this.#functions[name](...given));
  }
}
