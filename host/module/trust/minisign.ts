/**
 * The format of minisign (https://jedisct1.github.io/minisign/), read strictly and verified over bytes: no files, no policy.
 *
 *     public key   base64( "Ed" ‖ key id, 8 ‖ Ed25519 public key, 32 )
 *     .minisig     untrusted comment: TEXT, which nothing vouches for
 *                  base64( "Ed" or "ED" ‖ key id, 8 ‖ signature, 64 )
 *                  trusted comment: TEXT
 *                  base64( signature, 64, over the signature of line 2 ‖ the text of line 3 )
 *
 * "Ed" signs the file (`minisign -S -l`), "ED" the BLAKE2b-512 of the file (the default since minisign 0.10).
 */
import { createHash, verify } from "node:crypto";
import { decodeBase64 } from "../../lib/base64.ts";
import { ed25519FromRaw } from "../../lib/ed25519.ts";

export interface PublicKey {
  /** As minisign prints it: 16 upper-case hex digits, the number in little-endian order. */
  readonly id: string;
  /** The Ed25519 key: 32 bytes. */
  readonly bytes: Uint8Array;
}

export interface Signature {
  /** Whether the BLAKE2b-512 of the file was signed, not the file. */
  readonly prehashed: boolean;
  readonly keyId: string;
  /** Over the file. */
  readonly signature: Uint8Array;
  readonly trustedComment: string;
  /** Over `signature` and the trusted comment. */
  readonly globalSignature: Uint8Array;
}

/** Why text is no key or no signature: a clause that follows the file's name. */
export class MinisignError extends Error {}

const UNTRUSTED = "untrusted comment: ";
const TRUSTED = "trusted comment: ";

/** @throws MinisignError */
export function parsePublicKey(line: string): PublicKey {
  const bytes = decoded(line, 2 + 8 + 32, "the key");
  if (bytes.toString("latin1", 0, 2) !== "Ed") throw new MinisignError("the key is not one of minisign");
  return { id: keyId(bytes.subarray(2, 10)), bytes: bytes.subarray(10) };
}

/** @throws MinisignError */
export function parseSignature(text: string): Signature {
  // lines that end in CRLF are refused: minisign writes none, and one file has one form
  if (text.includes("\r")) throw new MinisignError("has a carriage return; minisign ends its lines in LF");
  const lines = text.split("\n");
  if (lines.at(-1) !== "") throw new MinisignError("does not end in a line end, so it is cut short");
  if (lines.length !== 5) throw new MinisignError(`has ${lines.length - 1} lines, a signature has 4`);
  const [untrusted = "", first = "", trusted = "", second = ""] = lines;
  comment(untrusted, UNTRUSTED, 1);
  const bytes = decoded(first, 2 + 8 + 64, "line 2");
  const algorithm = bytes.toString("latin1", 0, 2);
  if (algorithm !== "Ed" && algorithm !== "ED") {
    throw new MinisignError(`has the signature algorithm ${shown(algorithm)}; only "Ed" and "ED" are known`);
  }
  return {
    prehashed: algorithm === "ED",
    keyId: keyId(bytes.subarray(2, 10)),
    signature: bytes.subarray(10),
    trustedComment: comment(trusted, TRUSTED, 3),
    globalSignature: decoded(second, 64, "line 4"),
  };
}

/** Whether this key signed these bytes of a file. Says nothing of the trusted comment. */
export function verifiesFile(key: PublicKey, { prehashed, signature }: Signature, file: Uint8Array): boolean {
  const message = prehashed ? createHash("blake2b512").update(file).digest() : file;
  return verifies(key, message, signature);
}

/** Whether this key put this trusted comment on this signature. */
export function verifiesComment(
  key: PublicKey,
  { signature, trustedComment, globalSignature }: Signature,
): boolean {
  return verifies(key, Buffer.concat([signature, Buffer.from(trustedComment)]), globalSignature);
}

function verifies({ bytes }: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, message, ed25519FromRaw(bytes), signature);
}

function keyId(bytes: Uint8Array): string {
  return Buffer.from(bytes.toReversed()).toString("hex").toUpperCase();
}

function comment(line: string, prefix: string, number: number): string {
  if (!line.startsWith(prefix)) throw new MinisignError(`does not have "${prefix}" at line ${number}`);
  // it is printed to terminals and logs
  if (/[^\P{C}\t]|[\p{Zl}\p{Zp}]/u.test(line)) {
    throw new MinisignError(`has a control character in the comment of line ${number}`);
  }
  return line.slice(prefix.length);
}

/** Two bytes of the file, fit for a terminal: JSON leaves the control characters behind ASCII as they are. */
function shown(latin1: string): string {
  return /^[ -~]*$/.test(latin1)
    ? JSON.stringify(latin1)
    : `0x${Buffer.from(latin1, "latin1").toString("hex")}`;
}

function decoded(text: string, size: number, what: string): Buffer {
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw new MinisignError(`has no canonical base64 at ${what}`);
  if (bytes.length !== size) {
    throw new MinisignError(`has ${bytes.length} bytes at ${what}, ${size} are needed`);
  }
  return bytes;
}
