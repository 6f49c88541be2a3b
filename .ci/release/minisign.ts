/**
 * Signs in the format of minisign (https://jedisct1.github.io/minisign/), with a minisign key without a password (`minisign -G -W`):
 *
 *     untrusted comment: TEXT
 *     base64( "Ed" ‖ 00 00 ‖ "B2" ‖ salt, 32 ‖ limits, 16 ‖ key id, 8 ‖ seed, 32 ‖ Ed25519 public key, 32 ‖ checksum, 32 )
 *
 * The checksum is not verified: the comparison of the public key with the seed's is the stronger check.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { FileFault } from "../../host/lib/files.ts";
import { readSecretFile } from "../../host/lib/secret-files.ts";
import { ReleaseFault } from "./fault.ts";

/** A signing key. Its bytes stay in the KeyObject. */
export interface SecretKey {
  /** As minisign prints it: 16 upper-case hexadecimal digits. */
  readonly id: string;
  readonly idBytes: Uint8Array;
  readonly key: KeyObject;
}

const MAX_BYTES = 4096;
const SIZE = 158;
/** The PKCS #8 prefix before the 32 bytes of an Ed25519 private key (RFC 8410, section 7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * @param path a file that only its owner can read (docs/operate/credentials.md, "Files that hold secrets")
 * @throws ReleaseFault that names the path, and never quotes the file
 */
export function readSecretKey(path: string): SecretKey {
  const content = readSecretFile(path, MAX_BYTES, "given");
  if (content instanceof FileFault) throw new ReleaseFault(`the key ${path} cannot be used: ${content.text}`);
  const unusable = (why: string) => new ReleaseFault(`the key ${path} cannot be used: ${why}`);
  const [comment = "", line = "", ...rest] = content.toString("latin1").split("\n");
  content.fill(0);
  const bytes = Buffer.from(line, "base64");
  try {
    if (!comment.startsWith("untrusted comment: ") || rest.join("") !== "" || bytes.length !== SIZE)
      throw unusable("it is not a secret key of minisign");
    const kinds = bytes.toString("latin1", 0, 6);
    if (kinds === "EdScB2")
      throw unusable('it has a password; run without --key, then "minisign -S -m FILE" where the key is');
    if (kinds !== "Ed\0\0B2") throw unusable("it is not a secret key of minisign");
    const key = createPrivateKey({
      key: Buffer.concat([PKCS8, bytes.subarray(62, 94)]),
      format: "der",
      type: "pkcs8",
    });
    const publicKey = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
    if (!publicKey.equals(bytes.subarray(94, 126))) throw unusable("it is damaged");
    const idBytes = Uint8Array.from(bytes.subarray(54, 62));
    return { id: Buffer.from(idBytes.toReversed()).toString("hex").toUpperCase(), idBytes, key };
  } finally {
    bytes.fill(0);
  }
}

/**
 * @param comment one line that the signature covers
 * @returns the text of FILE.minisig; the same for the same arguments
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
