/**
 * The bytes of a ciphertext: 1, the length of the wrapped key in two bytes, the wrapped key, 12 bytes of nonce, and the seed sealed by AES-256-GCM
 * under that key. Wrapping binds no associated data; the seal binds the version, a zero byte, and the associated data of the host.
 */
import {
  concat,
  crypto,
  FailureCode,
  HostCode,
  hostTrouble,
  trouble,
  utf8,
} from "../../../sdk/assemblyscript/assembly";

const FORMAT: u8 = 1;
const HEADER = 3;
const KEY = 32;
const NONCE = 12;
const TAG = 16;

/** A seed, sealed under a key of its own. */
export class Sealed {
  constructor(
    /** To be wrapped. */
    public key: Uint8Array,
    /** Nonce and sealed seed. */
    public rest: Uint8Array,
  ) {}
}

/** Null: a trouble was noted. */
export function seal(plaintext: Uint8Array, version: string, associatedData: Uint8Array): Sealed | null {
  const random = crypto.random(KEY + NONCE);
  if (!random.ok) {
    hostTrouble(random, "make a key for the seed");
    return null;
  }
  const key = random.body.slice(0, KEY);
  const nonce = random.body.slice(KEY);
  const sealed = crypto.aeadSeal(key, nonce, plaintext, bound(version, associatedData));
  if (!sealed.ok) {
    hostTrouble(sealed, "seal the seed");
    return null;
  }
  return new Sealed(key, concat(nonce, sealed.body));
}

/** Null: a trouble was noted. */
export function open(
  key: Uint8Array,
  rest: Uint8Array,
  version: string,
  associatedData: Uint8Array,
): Uint8Array | null {
  const data = bound(version, associatedData);
  const opened = crypto.aeadOpen(key, rest.slice(0, NONCE), rest.slice(NONCE), data);
  if (opened.ok) return opened.body;
  if (opened.code === HostCode.NOT_AUTHENTIC)
    notOurs("it was not made with this key and associated data, or was changed");
  else hostTrouble(opened, "open the seed");
  return null;
}

export function envelope(wrapped: Uint8Array, rest: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER);
  header[0] = FORMAT;
  header[1] = (wrapped.length >> 8) as u8;
  header[2] = wrapped.length as u8;
  return concat(concat(header, wrapped), rest);
}

/** The wrapped key and the rest of a ciphertext. */
export class Parts {
  constructor(
    public wrapped: Uint8Array,
    public rest: Uint8Array,
  ) {}
}

/** Null: a trouble was noted. */
export function partsOf(ciphertext: Uint8Array): Parts | null {
  if (ciphertext.length > HEADER && ciphertext[0] === FORMAT) {
    const length = ((ciphertext[1] as i32) << 8) | (ciphertext[2] as i32);
    const end = HEADER + length;
    if (length > 0 && end + NONCE + TAG < ciphertext.length) {
      return new Parts(ciphertext.slice(HEADER, end), ciphertext.slice(end));
    }
  }
  notOurs("it has not the form of this provider");
  return null;
}

function bound(version: string, associatedData: Uint8Array): Uint8Array {
  return concat(utf8(version + "\0"), associatedData);
}

function notOurs(why: string): void {
  trouble(FailureCode.NOT_OURS, `Cannot decrypt the ciphertext: ${why}`);
}
