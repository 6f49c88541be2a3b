/**
 * The format of aws-encryption-provider (docs/foreign-formats.md): one byte, then the ciphertext of KMS under the encryption context of the
 * plugin's option. Its key id is the key as its option names it.
 */
import { JsonObject } from "../../../sdk/assemblyscript/assembly";

const FORMAT = "aws-encryption-provider";
/** The digit 1, which the plugin puts before each ciphertext. */
const FIRST_BYTE: u8 = 0x31;

export function isKnownFormat(format: string): bool {
  return format === FORMAT;
}

/** Returns the ciphertext of KMS in an object of the plugin; null if it is not one. */
export function unwrapped(object: Uint8Array): Uint8Array | null {
  return object.length > 1 && object[0] === FIRST_BYTE ? object.subarray(1) : null;
}

/**
 * Returns the encryption context of the plugin's option, as JSON.
 * @param pairs `NAME=VALUE`, with commas between; "" for none
 * @returns "" if it is not of this form. The plugin removes quotes and brackets around a value; they are not taken here.
 */
export function foreignContextOf(pairs: string): string {
  const context = new JsonObject();
  if (pairs.length === 0) return context.toString();
  if (pairs.includes('"') || pairs.includes("[") || pairs.includes("]")) return "";
  const parts = pairs.split(",");
  for (let i = 0; i < parts.length; i++) {
    const equals = parts[i].indexOf("=");
    if (equals < 1) return "";
    context.text(parts[i].slice(0, equals), parts[i].slice(equals + 1));
  }
  return context.toString();
}
