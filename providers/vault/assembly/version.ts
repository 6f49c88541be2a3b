/**
 * A version names exactly one key material: `3.1756412535.9f2c5d0a11e3b478` is the third version of the key, created at that Unix time,
 * at the place whose SHA-256 begins with these digits. A key that was deleted and created again has another time; settings of another key
 * have another hash.
 */
import { crypto, decimal, FailureCode, parseDecimal, trouble } from "../../../sdk/assemblyscript/assembly";
import { Place } from "./place";

/** `created`: the digits that the server wrote, at most 16. `id`: the place's. */
export function versionText(number: u32, created: string, id: string): string {
  return decimal(number) + "." + created + "." + id;
}

/** Hashes the path, by which the server finds the key. "": a trouble was noted. */
export function idOf(place: Place): string {
  return crypto.shortHash(place.path("keys"));
}

/** Returns the number in a version that Status named for this place; 0: a trouble was noted. */
export function numberOf(version: string, place: Place): u32 {
  const id = idOf(place);
  if (id.length === 0) return 0;
  const first = version.indexOf(".");
  const last = version.lastIndexOf(".");
  const number = parseDecimal(version.slice(0, max(first, 0)));
  if (number === 0 || last <= first + 1 || version.length - last - 1 !== id.length) {
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
