/**
 * Reads secret keys of minisign (https://jedisct1.github.io/minisign/) that have no password (`minisign -G -W`):
 *
 *     untrusted comment: TEXT
 *     base64( "Ed" ‖ 00 00 ‖ "B2" ‖ salt, 32 ‖ limits, 16 ‖ key id, 8 ‖ seed, 32 ‖ Ed25519 public key, 32 ‖ checksum, 32 )
 *
 * The checksum is not verified: the comparison of the public key with the seed's is the stronger check.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { FileFault } from "../../lib/files.ts";
import { readSecretFile } from "../../lib/secret-files.ts";

/** A signing key. Its secret bytes stay in the KeyObject. */
export interface SecretKey {
  /** As minisign prints it: 16 upper-case hexadecimal digits. */
  readonly id: string;
  readonly idBytes: Uint8Array;
  readonly key: KeyObject;
  /** The base64 line of its .pub file, as `trust.keys` has it. */
  readonly publicKey: string;
}

/** The file is not a key that can sign. The message names the path and the fault, and never quotes the file. */
export class SecretKeyFault extends Error {
  /** True: the key has a password, so only minisign itself can sign with it. */
  readonly hasPassword: boolean;

  constructor(path: string, why: string, hasPassword = false) {
    super(`the key ${path} cannot be used: ${why}`);
    this.hasPassword = hasPassword;
  }
}

const MAX_BYTES = 4096;
const SIZE = 158;
/** The PKCS #8 prefix before the 32 bytes of an Ed25519 private key (RFC 8410, section 7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/**
 * @param path a file that only its owner can read (docs/operate/credentials.md, "Files that hold secrets")
 * @throws SecretKeyFault
 */
export function readSecretKey(path: string): SecretKey {
  const content = readSecretFile(path, MAX_BYTES, "given");
  if (content instanceof FileFault) throw new SecretKeyFault(path, `it ${content.text}`);
  const [comment = "", line = "", ...rest] = content.toString("latin1").split("\n");
  content.fill(0);
  const bytes = Buffer.from(line, "base64");
  try {
    if (!comment.startsWith("untrusted comment: ") || rest.join("") !== "" || bytes.length !== SIZE)
      throw new SecretKeyFault(path, "it is not a secret key of minisign");
    return parse(path, bytes);
  } finally {
    bytes.fill(0);
  }
}

function parse(path: string, bytes: Buffer): SecretKey {
  const kinds = bytes.toString("latin1", 0, 6);
  if (kinds === "EdScB2") throw new SecretKeyFault(path, "it has a password", true);
  if (kinds !== "Ed\0\0B2") throw new SecretKeyFault(path, "it is not a secret key of minisign");
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8, bytes.subarray(62, 94)]),
    format: "der",
    type: "pkcs8",
  });
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
  if (!raw.equals(bytes.subarray(94, 126))) throw new SecretKeyFault(path, "it is damaged");
  const idBytes = Uint8Array.from(bytes.subarray(54, 62));
  const id = Buffer.from(idBytes.toReversed()).toString("hex").toUpperCase();
  const publicKey = Buffer.concat([Buffer.from("Ed"), idBytes, raw]).toString("base64");
  return { id, idBytes, key, publicKey };
}
