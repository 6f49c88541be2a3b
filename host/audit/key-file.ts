/** The key that checkpoints are signed with: PKCS#8 PEM, Ed25519, in a file that nobody else can read. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { KleidiError } from "../error.ts";
import { FileFault } from "../lib/files.ts";
import { readSecretFile } from "../lib/secret-files.ts";
import { createPrivate } from "../lib/write-files.ts";

const LARGEST = 4096;

/** @throws KleidiError audit-invalid */
export function loadKey(path: string): KeyObject {
  const text = read(path);
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (error) {
    throw invalid(path, "it is not a private key in PEM", error);
  } finally {
    text.fill(0);
  }
  if (key.asymmetricKeyType !== "ed25519")
    throw invalid(path, `it is a key of ${key.asymmetricKeyType}, Ed25519 is needed`);
  return key;
}

/**
 * Makes a key; what stands at the path is never replaced.
 * @returns its public key
 * @throws KleidiError audit-invalid
 */
export function makeKey(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync("ed25519");
  const staged = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    createPrivate(path, privateKey.export({ type: "pkcs8", format: "pem" }) as string, staged);
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    const why = code === "EEXIST" ? "something stands there already" : `the system refuses it (${code})`;
    throw new KleidiError("audit-invalid", `Cannot make the audit key ${path}: ${why}`, error);
  }
  return createPublicKey(privateKey);
}

function read(path: string): Buffer {
  const content = readSecretFile(path, LARGEST, "given");
  if (content instanceof FileFault) throw invalid(path, `it ${content.text}`, content.cause);
  return content;
}

function invalid(path: string, why: string, cause?: unknown): KleidiError {
  return new KleidiError("audit-invalid", `Cannot use the audit key ${path}: ${why}`, cause);
}
