/** Base64url without padding (RFC 4648, section 5), as the vault writes bytes. Bytes have one spelling, as in the SDK's base64. */
import { base64 } from "../../../sdk/assemblyscript/assembly";

export function encodeUrl(bytes: Uint8Array): string {
  const text = base64.encode(bytes).replaceAll("+", "-").replaceAll("/", "_");
  const padding = text.indexOf("=");
  return padding < 0 ? text : text.slice(0, padding);
}

/** Returns null if `encodeUrl` does not write this text. */
export function decodeUrl(text: string): Uint8Array | null {
  if (text.includes("+") || text.includes("/") || text.includes("=") || text.length % 4 === 1) return null;
  const plain = text.replaceAll("-", "+").replaceAll("_", "/");
  return base64.decode(plain.padEnd(((plain.length + 3) / 4) * 4, "="));
}
