/**
 * A version names exactly one key material: `3.1756412535.9f2c5d0a11e3b478` is the third version of the key, created at that Unix time,
 * at the place whose SHA-256 begins with these digits. A key that was deleted and created again has another time; settings of another key
 * have another hash.
 */
import { crypto, decimal, FailureCode, utf8 } from "../../../sdk/assemblyscript/assembly";
import { Place } from "./place";
import { hostTrouble, trouble } from "./trouble";

/** Length of the place's hash, in hexadecimal digits. */
const ID = 16;

/** `created`: the digits that the server wrote, at most 16. `id`: the place's. */
export function versionText(number: u32, created: string, id: string): string {
  return decimal(number) + "." + created + "." + id;
}

/** Hashes the path, by which the server finds the key. Null: a trouble was noted. */
export function idOf(place: Place): string | null {
  const hash = crypto.digest("sha256", utf8(place.path("keys")));
  if (!hash.ok) {
    hostTrouble(hash, "hash the key's place");
    return null;
  }
  let id = "";
  for (let i = 0; i < ID / 2; i++) id += hex(hash.body[i] >> 4) + hex(hash.body[i] & 15);
  return id;
}

/** Returns the number in a version that Status named for this place; 0: a trouble was noted. */
export function numberOf(version: string, place: Place): u32 {
  const id = idOf(place);
  if (id == null) return 0;
  const first = version.indexOf(".");
  const last = version.lastIndexOf(".");
  const number = parseNumber(version.slice(0, max(first, 0)));
  if (number === 0 || last <= first + 1 || version.length - last - 1 !== ID) {
    trouble(
      FailureCode.KEY_UNUSABLE,
      `Cannot use the key ${place.toString()}: "${version}" is not a version of this provider`,
    );
    return 0;
  }
  if (version.slice(last + 1) === id) return number;
  const message = `Cannot use the key ${place.toString()}: the version ${version} belongs to a key at another place; undo the change of the key's settings, or add another key for the other place to the configuration`;
  trouble(FailureCode.KEY_UNUSABLE, message);
  return 0;
}

/** Parses 1 to 4,294,967,295 in its only spelling; else 0. */
export function parseNumber(text: string): u32 {
  if (text.length < 1 || text.length > 10) return 0;
  let value: u64 = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if (letter < 48 || letter > 57 || (i === 0 && letter === 48)) return 0;
    value = value * 10 + ((letter - 48) as u64);
  }
  return value > (u32.MAX_VALUE as u64) ? 0 : (value as u32);
}

function hex(value: u8): string {
  return String.fromCharCode(value < 10 ? 48 + value : 87 + value);
}
