/** Signs a file in the form of minisign (minisign.ts describes it), with the hash of the file. Pure. */
import { createHash, sign } from "node:crypto";
import type { SecretKey } from "./secret-key.ts";

/**
 * @param comment one line that the signature covers
 * @returns the text of FILE.minisig; the same for the same arguments
 * @example signatureOf(readSecretKey("release.key"), bytes, "kleidi expires:2027-01-31")
 */
export function signatureOf({ id, idBytes, key }: SecretKey, file: Uint8Array, comment: string): string {
  const signature = sign(null, createHash("blake2b512").update(file).digest(), key);
  const global = sign(null, Buffer.concat([signature, Buffer.from(comment)]), key);
  return [
    `untrusted comment: signature of kleidi, key ${id}`,
    Buffer.concat([Buffer.from("ED"), idBytes, signature]).toString("base64"),
    `trusted comment: ${comment}`,
    global.toString("base64"),
    "",
  ].join("\n");
}
