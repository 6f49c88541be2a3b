/** The private key for checkpoints: Ed25519, PKCS#8 PEM, in a file that no other user can read. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { KleidiError } from "../error.ts";
import { FileFault } from "../lib/files.ts";
import { pathErrorText } from "../lib/path-fault.ts";
import { readSecretFile } from "../lib/secret-files.ts";
import { createPrivate } from "../lib/write-files.ts";

const LARGEST = 4096;

/**
 * Loads a private key.
 * @throws KleidiError audit-invalid if the file is unsafe or is not an Ed25519 private key
 */
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
    throw invalid(path, `its type is ${key.asymmetricKeyType}, Ed25519 is required`);
  return key;
}

/**
 * Creates a key. Never replaces an existing file.
 * @returns the public key
 * @throws KleidiError audit-invalid if the path exists or the system refuses to write
 */
export function createKey(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync("ed25519");
  const staged = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    createPrivate(path, privateKey.export({ type: "pkcs8", format: "pem" }) as string, staged);
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    const [fault, why] =
      code === "EEXIST"
        ? (["audit-invalid/key-exists", "the path already exists"] as const)
        : (["audit-invalid/path", pathErrorText(path, error, "create")] as const);
    throw new KleidiError(fault, `Cannot create the audit key ${path}: ${why}`, error);
  }
  return createPublicKey(privateKey);
}

function read(path: string): Buffer {
  const content = readSecretFile(path, LARGEST, "given");
  if (content instanceof FileFault) throw invalid(path, `it ${content.text}`, content.cause);
  return content;
}

function invalid(path: string, why: string, cause?: unknown): KleidiError {
  return new KleidiError("audit-invalid/key", `Cannot use the audit key ${path}: ${why}`, cause);
}
