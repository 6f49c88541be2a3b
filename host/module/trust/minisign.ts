/**
 * Parses and verifies minisign signatures (https://jedisct1.github.io/minisign/). Strict: each value has one accepted form. Pure.
 *
 *     public key   base64( "Ed" ‖ key id, 8 ‖ Ed25519 public key, 32 )
 *     .minisig     untrusted comment: TEXT, which is not signed
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
  /** The key id as minisign prints it: 16 upper-case hex digits of the little-endian number. */
  readonly id: string;
  /** The raw Ed25519 public key, 32 bytes. */
  readonly bytes: Uint8Array;
}

export interface Signature {
  /** True if the signature covers the BLAKE2b-512 hash of the file; false if it covers the file. */
  readonly prehashed: boolean;
  /** The id of the signing key, as in PublicKey. */
  readonly keyId: string;
  /** The signature of the file or of its hash, 64 bytes. */
  readonly signature: Uint8Array;
  readonly trustedComment: string;
  /** The signature of `signature` followed by the trusted comment, 64 bytes. */
  readonly globalSignature: Uint8Array;
}

/** Text is not a valid key or signature. The message is a clause whose subject is the key or the file. */
export class MinisignError extends Error {}

const UNTRUSTED = "untrusted comment: ";
const TRUSTED = "trusted comment: ";

/**
 * Parses a public key.
 * @param line the base64 line of a minisign public key file
 * @throws MinisignError
 */
export function parsePublicKey(line: string): PublicKey {
  const bytes = decodeField(line, 2 + 8 + 32);
  if (bytes.toString("latin1", 0, 2) !== "Ed") throw new MinisignError("is not a minisign public key");
  return { id: keyId(bytes.subarray(2, 10)), bytes: bytes.subarray(10) };
}

/**
 * Parses a signature.
 * @param text the content of a .minisig file
 * @throws MinisignError
 */
export function parseSignature(text: string): Signature {
  // CRLF is rejected: minisign does not write it, and a signature has one accepted form
  if (text.includes("\r")) throw new MinisignError("has a carriage return; minisign ends its lines in LF");
  const lines = text.split("\n");
  if (lines.at(-1) !== "") throw new MinisignError("does not end with a line feed, so it is truncated");
  if (lines.length !== 5) throw new MinisignError(`has ${lines.length - 1} lines, a signature has 4`);
  const [untrusted = "", first = "", trusted = "", second = ""] = lines;
  parseComment(untrusted, UNTRUSTED, 1);
  const bytes = decodeField(first, 2 + 8 + 64, " at line 2");
  const algorithm = bytes.toString("latin1", 0, 2);
  if (algorithm !== "Ed" && algorithm !== "ED") {
    throw new MinisignError(
      `has the signature algorithm ${formatAlgorithm(algorithm)}; only "Ed" and "ED" are known`,
    );
  }
  return {
    prehashed: algorithm === "ED",
    keyId: keyId(bytes.subarray(2, 10)),
    signature: bytes.subarray(10),
    trustedComment: parseComment(trusted, TRUSTED, 3),
    globalSignature: decodeField(second, 64, " at line 4"),
  };
}

/** Returns true if the key signed this file. The trusted comment is not checked: see verifiesComment. */
export function verifiesFile(key: PublicKey, { prehashed, signature }: Signature, file: Uint8Array): boolean {
  const message = prehashed ? createHash("blake2b512").update(file).digest() : file;
  return verifies(key, message, signature);
}

/** Returns true if the key signed this trusted comment together with this signature. */
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

function parseComment(line: string, prefix: string, number: number): string {
  if (!line.startsWith(prefix)) throw new MinisignError(`does not have "${prefix}" at line ${number}`);
  // comments are printed to terminals and logs
  if (/[^\P{C}\t]|[\p{Zl}\p{Zp}]/u.test(line)) {
    throw new MinisignError(`has a control character in the comment of line ${number}`);
  }
  return line.slice(prefix.length);
}

/** Formats the algorithm for a terminal. JSON.stringify does not escape control characters beyond ASCII. */
function formatAlgorithm(latin1: string): string {
  return /^[ -~]*$/.test(latin1)
    ? JSON.stringify(latin1)
    : `0x${Buffer.from(latin1, "latin1").toString("hex")}`;
}

/** @param place names the line in error messages */
function decodeField(text: string, size: number, place = ""): Buffer {
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw new MinisignError(`does not have canonical base64${place}`);
  if (bytes.length !== size) {
    throw new MinisignError(`has ${bytes.length} bytes${place}, ${size} are needed`);
  }
  return bytes;
}
