/**
 * Checkpoints: a signature over where the chain stands. Without one, whoever can write the file can write the whole chain anew; with
 * one, not without the key.
 */
import { createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { decodeBase64 } from "../lib/base64.ts";
import { ed25519FromSpki, spkiOf } from "../lib/ed25519.ts";
import type { Position } from "./chain.ts";
import type { Control } from "./record.ts";

/** What is signed: the chain, the checkpoint's own sequence and time, and the hash of the line before it. */
function message(at: Position, time: string): Buffer {
  return Buffer.from(`kleidi audit checkpoint 1\0${at.chain}\n${at.seq + 1}\n${at.hash}\n${time}\n`);
}

/** 16 hex digits that name a public key. */
export function keyIdOf(publicKey: KeyObject): string {
  return hash("sha256", spkiOf(publicKey)).slice(0, 16);
}

/** The base64 line of a public key: its SPKI. */
export function publicLine(publicKey: KeyObject): string {
  return spkiOf(publicKey).toString("base64");
}

/** The public key of a base64 line; undefined where it is none. */
export function parsePublic(line: string): KeyObject | undefined {
  const spki = decodeBase64(line.trim());
  return spki && ed25519FromSpki(spki);
}

export class Signer {
  readonly key: string;
  readonly publicKey: KeyObject;
  readonly #privateKey: KeyObject;

  constructor(privateKey: KeyObject) {
    this.#privateKey = privateKey;
    this.publicKey = createPublicKey(privateKey);
    this.key = keyIdOf(this.publicKey);
  }

  /** The checkpoint that comes next behind a position. */
  checkpoint(at: Position, time: string): Control {
    const signature = sign(null, message(at, time), this.#privateKey).toString("base64");
    return { kind: "checkpoint", key: this.key, signature };
  }
}

/** Whether a checkpoint that stands behind `at` is one of this key, in the one form that a signature has in base64. */
export function isSigned(publicKey: KeyObject, at: Position, time: string, signature: unknown): boolean {
  if (typeof signature !== "string") return false;
  const bytes = decodeBase64(signature);
  return bytes !== undefined && verify(null, message(at, time), publicKey, bytes);
}
