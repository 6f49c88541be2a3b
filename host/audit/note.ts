/**
 * Signed notes (https://c2sp.org/signed-note) whose text is the checkpoint of a transparency log (https://c2sp.org/tlog-checkpoint).
 * A signature of a note is never valid for a record of the log, nor the other way round: a note has no zero byte, and the signed message
 * of a record has one (checkpoint.ts).
 */
import { createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { decodeBase64 } from "../lib/base64.ts";
import { rawOf } from "../lib/ed25519.ts";

/** The algorithm byte of Ed25519. */
const ED25519 = 1;
/** The maximum size of a note in bytes, with the signatures of many witnesses. */
const LARGEST = 1_048_576;
const MOST_SIGNATURES = 100;
const DASH = "\u2014";

/** The root of the tree over the first `size` lines of a log. */
export interface TreeHead {
  /** The globally unique name of the log, such as example.com/kleidi/node-1. */
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** The note cannot be used. `message` is the end of a sentence. */
export class NoteFault extends Error {}

/** True if a text is a valid name of a log and its key: printable ASCII without spaces and plus signs, at most 255 characters. */
export function isOrigin(text: string): boolean {
  return /^[!-*,-~]{1,255}$/.test(text);
}

/** Creates the note over a tree head, signed in the name of its origin. */
export function signNote({ origin, size, root }: TreeHead, privateKey: KeyObject): string {
  const text = `${origin}\n${size}\n${root.toString("base64")}\n`;
  const signature = sign(null, Buffer.from(text), privateKey);
  const line = Buffer.concat([keyId(origin, createPublicKey(privateKey)), signature]).toString("base64");
  return `${text}\n${DASH} ${origin} ${line}\n`;
}

/** Encodes the verifier key that a witness is configured with: NAME+ID+KEY. */
export function verifierKey(origin: string, publicKey: KeyObject): string {
  const key = Buffer.concat([Buffer.of(ED25519), rawOf(publicKey)]);
  return `${origin}+${keyId(origin, publicKey).toString("hex")}+${key.toString("base64")}`;
}

/**
 * Verifies a note.
 * @param keys one of them must have signed the note in the name of its origin; other signatures, such as those of witnesses, are ignored
 * @returns the tree head in the note
 * @throws NoteFault
 */
export function openNote(bytes: Buffer, keys: readonly KeyObject[]): TreeHead {
  const { text, signatures } = split(bytes);
  const head = headOf(text);
  const named = signatures.filter(({ name }) => name === head.origin);
  let signed = false;
  for (const key of keys) {
    const id = keyId(head.origin, key);
    for (const { bytes: signature } of named) {
      if (!signature.subarray(0, id.length).equals(id)) continue;
      if (!verify(null, Buffer.from(text), key, signature.subarray(id.length)))
        throw new NoteFault("its signature is not valid for the key");
      signed = true;
    }
  }
  if (!signed) throw new NoteFault("no given key signed it in the name of its origin");
  return head;
}

interface Signature {
  readonly name: string;
  /** The key's id, then the signature. */
  readonly bytes: Buffer;
}

function split(bytes: Buffer): { text: string; signatures: Signature[] } {
  if (bytes.length > LARGEST)
    throw new NoteFault(`it is ${bytes.length} bytes, at most ${LARGEST} are allowed`);
  const whole = utf8(bytes);
  const end = whole.lastIndexOf("\n\n");
  const lines = whole.slice(end + 2).split("\n");
  if (end === -1 || lines.pop() !== "" || lines.length === 0) throw new NoteFault("it is not a signed note");
  if (lines.length > MOST_SIGNATURES)
    throw new NoteFault(`it has ${lines.length} signatures, at most ${MOST_SIGNATURES} are allowed`);
  return { text: whole.slice(0, end + 1), signatures: lines.map(signatureOf) };
}

function utf8(bytes: Buffer): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no note has one
    if (!/[\u0000-\u0009\u000b-\u001f]/.test(text)) return text;
  } catch {
    // reported below
  }
  throw new NoteFault("it is not a signed note: it is not UTF-8 without control characters");
}

function signatureOf(line: string): Signature {
  const [, name = "", base64 = ""] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? [];
  const bytes = decodeBase64(base64);
  if (bytes === undefined || bytes.length < 5)
    throw new NoteFault("it is not a signed note: one of its last lines is not a signature");
  return { name, bytes };
}

function headOf(text: string): TreeHead {
  const [origin = "", digits = "", base64 = "", ...others] = text.slice(0, -1).split("\n");
  const root = decodeBase64(base64);
  const size = Number(digits);
  const good =
    isOrigin(origin) &&
    /^(0|[1-9][0-9]{0,15})$/.test(digits) &&
    Number.isSafeInteger(size) &&
    root?.length === 32 &&
    others.every((line) => line !== "");
  if (!good) throw new NoteFault("its text is not a log checkpoint (an origin, a size and a root)");
  return { origin, size, root };
}

function keyId(name: string, publicKey: KeyObject): Buffer {
  return hash(
    "sha256",
    Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ED25519), rawOf(publicKey)]),
    "buffer",
  ).subarray(0, 4);
}
