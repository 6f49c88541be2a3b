/** One token of a module with one session, in the process that runs the module. The host asks for one operation at a time. */
import { createHash, randomBytes } from "node:crypto";
import { copied, withArena } from "./arena.mjs";
import {
  CKA,
  CKK_AES,
  CKM_AES_GCM,
  CKM_AES_KEY_WRAP,
  CKO_SECRET_KEY,
  CKR,
  TOKEN_FLAG,
} from "./constants.mjs";
import { Cryptoki, CryptokiError } from "./cryptoki.mjs";
import { decryptByWrap, encryptByWrap, NotWrappedHere } from "./key-wrap.mjs";
import { gcmParams, mechanism, words } from "./layout.mjs";

const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * A key of the token, as the host names it.
 * @typedef {{ mechanism: import("./protocol.mjs").Mechanism, label: Uint8Array }} Key
 */

/**
 * A fault that the process finds. The host makes its sentence and its remedy (failure.ts).
 * @typedef {"load" | "token-missing" | "token-twice" | "pin-final-try" | "pin-locked" | "pin-refused" | "key-missing" | "key-twice" | "key-other" | "key-unnamed" | "not-authentic"} Kind
 */
export class TokenFault extends Error {
  /**
   * @param {Kind} kind
   * @param {string} [detail]
   */
  constructor(kind, detail = "") {
    super(kind);
    this.kind = kind;
    this.detail = detail;
  }
}

export class Token {
  /** @type {Cryptoki} */
  #module;
  #session = 0n;
  #slot = 0;
  /** The keys that were found: a handle is valid as long as the session. @type {Map<string, { handle: bigint, version: string }>} */
  #found = new Map();

  /**
   * Loads the module and opens the token, without a login.
   * @param {string} module its path
   * @param {string} label of the token
   * @throws {TokenFault | CryptokiError}
   */
  constructor(module, label) {
    this.#module = load(module);
    withArena(() => {
      this.#module.initialize();
      this.#slot = this.#slotOf(label);
      this.#session = this.#module.openSession(this.#slot);
    });
  }

  /** Facts for kleidi doctor. */
  facts() {
    return withArena(() => ({
      ...this.#module.info(),
      ...this.#module.tokenInfo(this.#slot),
      mechanisms: {
        "aes-gcm": this.#module.hasMechanism(this.#slot, CKM_AES_GCM),
        "aes-kw": this.#module.hasMechanism(this.#slot, CKM_AES_KEY_WRAP),
      },
    }));
  }

  /**
   * Logs in, if the token wants it. Never makes the last try before the token locks: a person has to. Modules differ in what they return for
   * a wrong PIN: one that failed before, of a token that counts a wrong one, is the wrong one.
   * @param {Uint8Array} pin
   * @param {boolean} hasFailed a login with this PIN failed before, for whatever reason
   */
  login(pin, hasFailed) {
    withArena(() => {
      const { flags } = this.#module.tokenInfo(this.#slot);
      if ((flags & TOKEN_FLAG.LOGIN_REQUIRED) === 0) return;
      if ((flags & TOKEN_FLAG.USER_PIN_LOCKED) !== 0) throw new TokenFault("pin-locked");
      if ((flags & TOKEN_FLAG.USER_PIN_FINAL_TRY) !== 0) throw new TokenFault("pin-final-try");
      if (hasFailed && (flags & TOKEN_FLAG.USER_PIN_COUNT_LOW) !== 0)
        throw new TokenFault("pin-refused", "it counts a wrong PIN since its last login");
      try {
        this.#module.login(this.#session, copied(pin));
      } catch (error) {
        // a login of this user that the vendor's daemon keeps
        if (!(error instanceof CryptokiError) || error.rv !== CKR.USER_ALREADY_LOGGED_IN) throw error;
      }
    });
  }

  /**
   * Searches the AES key with a label, anew.
   * @param {Key} key
   */
  find(key) {
    return withArena(() => {
      const handle = this.#handleOf(key.label);
      const version = this.#versionOf(handle, key.mechanism);
      this.#found.set(nameOf(key), { handle, version });
      const length = this.#attribute(handle, CKA.VALUE_LEN);
      return {
        version,
        bits: length?.length === 8 ? Number(length.readBigUInt64LE()) * 8 : 0,
        extractable: this.#attribute(handle, CKA.EXTRACTABLE)?.[0] === 1,
      };
    });
  }

  /**
   * @param {Key} key
   * @param {string} version
   * @param {Uint8Array} iv
   * @param {Uint8Array} aad
   * @param {Uint8Array} plaintext
   * @returns {Buffer} the ciphertext and the tag; with aes-kw the wrapped data key before them, too
   */
  encrypt(key, version, iv, aad, plaintext) {
    const handle = this.#keyOf(key, version);
    if (key.mechanism === "aes-gcm") return this.#crypt("Encrypt", handle, iv, aad, plaintext);
    return withArena(() => encryptByWrap(this.#module, this.#session, handle, iv, aad, plaintext));
  }

  /**
   * @param {Key} key
   * @param {string} version
   * @param {Uint8Array} iv
   * @param {Uint8Array} aad
   * @param {Uint8Array} ciphertext what encrypt returned
   * @returns {Buffer}
   */
  decrypt(key, version, iv, aad, ciphertext) {
    try {
      return this.#decryptNow(key, version, iv, aad, ciphertext);
    } catch (error) {
      if (this.#isNotAuthentic(error, key, version, iv.length === IV_BYTES))
        throw new TokenFault("not-authentic");
      throw error;
    }
  }

  /**
   * @param {Key} key
   * @param {string} version
   * @param {Uint8Array} iv
   * @param {Uint8Array} aad
   * @param {Uint8Array} ciphertext
   */
  #decryptNow(key, version, iv, aad, ciphertext) {
    const handle = this.#keyOf(key, version);
    if (key.mechanism === "aes-gcm") return this.#crypt("Decrypt", handle, iv, aad, ciphertext);
    return withArena(() => decryptByWrap(this.#module, this.#session, handle, iv, aad, ciphertext));
  }

  /**
   * Modules differ in what they return for a wrong tag (SoftHSM: CKR_GENERAL_ERROR). If the key still encrypts and decrypts, the ciphertext
   * is at fault and not the token. With a key that may not encrypt, it is enough that the token still finds the key.
   * @param {unknown} error
   * @param {Key} key
   * @param {string} version
   * @param {boolean} mayEncrypt false for a key of another plugin, which has longer nonces
   */
  #isNotAuthentic(error, key, version, mayEncrypt) {
    if (error instanceof NotWrappedHere) return true;
    if (!(error instanceof CryptokiError) || !DECRYPTS.has(error.call)) return false;
    if (NOT_AUTHENTIC.has(error.rv)) return true;
    if (REFUSALS.has(error.rv)) return false;
    if (!mayEncrypt) return this.#finds(key, version);
    const sample = randomBytes(16);
    const iv = randomBytes(IV_BYTES);
    try {
      const sealed = this.encrypt(key, version, iv, new Uint8Array(), sample);
      return this.#decryptNow(key, version, iv, new Uint8Array(), sealed).equals(sample);
    } catch (failed) {
      const isRefused = failed instanceof CryptokiError && failed.rv === CKR.KEY_FUNCTION_NOT_PERMITTED;
      return isRefused && this.#finds(key, version);
    }
  }

  /**
   * @param {Key} key
   * @param {string} version
   */
  #finds(key, version) {
    try {
      return this.find(key).version === version;
    } catch {
      return false;
    }
  }

  /**
   * @param {"Encrypt" | "Decrypt"} name
   * @param {bigint} key
   * @param {Uint8Array} iv
   * @param {Uint8Array} aad
   * @param {Uint8Array} input
   */
  #crypt(name, key, iv, aad, input) {
    return withArena(() => {
      const gcm = mechanism(CKM_AES_GCM, gcmParams(copied(iv), copied(aad), TAG_BYTES));
      const most = input.length + TAG_BYTES;
      return Buffer.from(this.#module.crypt(name, this.#session, key, gcm, copied(input), most));
    });
  }

  /**
   * @param {Key} key
   * @param {string} version
   */
  #keyOf(key, version) {
    const cached = this.#found.get(nameOf(key));
    if (cached?.version === version) return cached.handle;
    const found = this.find(key);
    if (found.version !== version) throw new TokenFault("key-other");
    return this.#found.get(nameOf(key))?.handle ?? 0n;
  }

  /** @param {string} label */
  #slotOf(label) {
    /** @type {CryptokiError | undefined} */
    let unreadable;
    const slots = this.#module.slots().filter((slot) => {
      try {
        return this.#module.tokenInfo(slot).label === label;
      } catch (error) {
        // a card of another kind, or one that was pulled just now
        if (!(error instanceof CryptokiError)) throw error;
        unreadable ??= error;
        return false;
      }
    });
    if (slots.length > 1) throw new TokenFault("token-twice");
    const [slot] = slots;
    if (slot === undefined) throw unreadable ?? new TokenFault("token-missing");
    return slot;
  }

  /** @param {Uint8Array} label */
  #handleOf(label) {
    const [handle, second] = this.#module.findObjects(
      this.#session,
      [
        [CKA.CLASS, words(CKO_SECRET_KEY)],
        [CKA.KEY_TYPE, words(CKK_AES)],
        [CKA.TOKEN, copied(Uint8Array.of(1))],
        [CKA.LABEL, copied(label)],
      ],
      2,
    );
    if (handle === undefined) throw new TokenFault("key-missing");
    if (second !== undefined) throw new TokenFault("key-twice");
    return handle;
  }

  /**
   * The key's version: from CKA_ID and the check value of the key's bytes (3.1, 4.6.2), which copies of a key in other tokens have too. A
   * token without check values gives CKA_UNIQUE_ID. Another mechanism is another version, because it does not
   * decrypt what the first one encrypted.
   * @param {bigint} handle
   * @param {import("./protocol.mjs").Mechanism} mechanism
   */
  #versionOf(handle, mechanism) {
    const id = this.#attribute(handle, CKA.ID) ?? Buffer.alloc(0);
    const check = this.#attribute(handle, CKA.CHECK_VALUE) ?? Buffer.alloc(0);
    const unique = check.length > 0 ? undefined : this.#attribute(handle, CKA.UNIQUE_ID);
    // CKA_ID alone can be that of another key under the label.
    if (check.length === 0 && (unique?.length ?? 0) === 0) throw new TokenFault("key-unnamed");
    const hash = createHash("sha256").update(
      `kleidi pkcs11 key ${mechanism === "aes-gcm" ? "1" : mechanism}\0`,
    );
    for (const part of [id, check, unique ?? Buffer.alloc(0)])
      hash.update(Uint8Array.of(part.length >> 8, part.length)).update(part);
    return hash.digest("hex").slice(0, 32);
  }

  /**
   * @param {bigint} handle
   * @param {number} type
   */
  #attribute(handle, type) {
    return this.#module.attribute(this.#session, handle, type);
  }
}

/** @type {ReadonlySet<string>} */
const DECRYPTS = new Set(["C_Decrypt", "C_UnwrapKey"]);
/** They are about the key, whatever the ciphertext is. @type {ReadonlySet<number>} */
const REFUSALS = new Set([
  CKR.KEY_FUNCTION_NOT_PERMITTED,
  CKR.MECHANISM_INVALID,
  CKR.MECHANISM_PARAM_INVALID,
]);
/** @type {ReadonlySet<number>} */
const NOT_AUTHENTIC = new Set([
  CKR.AEAD_DECRYPT_FAILED,
  CKR.ENCRYPTED_DATA_INVALID,
  CKR.ENCRYPTED_DATA_LEN_RANGE,
  CKR.WRAPPED_KEY_INVALID,
  CKR.WRAPPED_KEY_LEN_RANGE,
]);

/** @param {Key} key */
function nameOf({ mechanism, label }) {
  return `${mechanism} ${Buffer.from(label).toString("hex")}`;
}

/** @param {string} path */
function load(path) {
  try {
    return new Cryptoki(path);
  } catch (error) {
    throw new TokenFault("load", String(/** @type {Error} */ (error).message).slice(0, 200));
  }
}
