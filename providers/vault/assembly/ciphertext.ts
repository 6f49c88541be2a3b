/** Transit's ciphertext as text: `vault:v3:` and base64. Only Transit's own spelling is accepted. */
import { base64, decimal, parseDecimal } from "../../../sdk/assemblyscript/assembly";

const PREFIX = "vault:v";

/** The beginning of each ciphertext of a version. */
export function prefixOf(number: u32): string {
  return PREFIX + decimal(number) + ":";
}

/** Returns the version; 0 if this is not a ciphertext of Transit. The server itself also accepts "v01", "v0", line breaks and stray bits. */
export function versionIn(text: string): u32 {
  if (!text.startsWith(PREFIX)) return 0;
  const colon = text.indexOf(":", PREFIX.length);
  if (colon < 0) return 0;
  const sealed = base64.decode(text.slice(colon + 1));
  if (sealed == null || sealed.length === 0) return 0;
  return parseDecimal(text.slice(PREFIX.length, colon));
}
