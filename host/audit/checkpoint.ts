/**
 * Checkpoints: signatures over positions of the chain. Without them, anyone who can write the file can rewrite the whole chain; with
 * them, only the holder of the key can.
 */
import { createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { decodeBase64 } from "../lib/base64.ts";
import { ed25519FromSpki, spkiOf } from "../lib/ed25519.ts";
import type { Position } from "./chain.ts";
import type { Control } from "./record.ts";

/** The signed message: the chain, the checkpoint's own sequence and time, and the hash of the line before it. */
function message(at: Position, time: string): Buffer {
  return Buffer.from(`kleidi audit checkpoint 1\0${at.chain}\n${at.seq + 1}\n${at.hash}\n${time}\n`);
}

/** Returns the id of a public key: 16 hex digits. */
export function keyIdOf(publicKey: KeyObject): string {
  return hash("sha256", spkiOf(publicKey)).slice(0, 16);
}

/** Encodes a public key as one line: its SPKI in base64. */
export function publicLine(publicKey: KeyObject): string {
  return spkiOf(publicKey).toString("base64");
}

/** Parses a line of `publicLine`; undefined if it is not an Ed25519 public key. */
export function parsePublic(line: string): KeyObject | undefined {
  const spki = decodeBase64(line.trim());
  return spki && ed25519FromSpki(spki);
}

/** Signs checkpoints with one key. */
export class Signer {
  readonly key: string;
  readonly publicKey: KeyObject;
  readonly #privateKey: KeyObject;

  constructor(privateKey: KeyObject) {
    this.#privateKey = privateKey;
    this.publicKey = createPublicKey(privateKey);
    this.key = keyIdOf(this.publicKey);
  }

  /** Creates the checkpoint record that follows a position. */
  checkpoint(at: Position, time: string): Control {
    const signature = sign(null, message(at, time), this.#privateKey).toString("base64");
    return { kind: "checkpoint", key: this.key, signature };
  }
}

/**
 * Verifies the signature of a checkpoint.
 * @param at the position before the checkpoint
 * @param signature canonical base64; any other value is invalid
 */
export function isSigned(publicKey: KeyObject, at: Position, time: string, signature: unknown): boolean {
  if (typeof signature !== "string") return false;
  const bytes = decodeBase64(signature);
  return bytes !== undefined && verify(null, message(at, time), publicKey, bytes);
}
