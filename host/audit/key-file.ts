/** The key that checkpoints are signed with: PKCS#8 PEM, Ed25519, in a file that nobody else can read. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { KleidiError } from "../error.ts";

const LARGEST = 4096;
/** Where systemd puts credentials: of mode 0440, because the access of the service's user is in an ACL, which shows as the group's. */
const CREDENTIALS = "/run/credentials/";

/** @throws KleidiError audit-invalid */
export function loadKey(path: string): KeyObject {
  const text = read(path);
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (error) {
    throw invalid(path, "it is no private key in PEM", error);
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
    const file = openSync(staged, "wx", 0o600);
    try {
      writeSync(file, privateKey.export({ type: "pkcs8", format: "pem" }) as string);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      // link, not rename: it fails where a file is, instead of replacing it
      linkSync(staged, path);
    } finally {
      unlinkSync(staged);
    }
    syncFolder(dirname(path));
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    const why = code === "EEXIST" ? "something stands there already" : `the system refuses it (${code})`;
    throw new KleidiError("audit-invalid", `Cannot make the audit key ${path}: ${why}`, error);
  }
  return createPublicKey(privateKey);
}

function read(path: string): Buffer {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw invalid(path, `it cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`, error);
  }
  try {
    const status = fstatSync(file);
    if (!status.isFile()) throw invalid(path, "it is no regular file");
    const others = path.startsWith(CREDENTIALS) ? 0o037 : 0o077;
    if ((status.mode & others) !== 0) {
      const mode = (status.mode & 0o777).toString(8).padStart(4, "0");
      throw invalid(path, `its mode is ${mode}, others may have read it; it should be 0600`);
    }
    if (status.size > LARGEST)
      throw invalid(path, `it is ${status.size} bytes, at most ${LARGEST} are allowed`);
    const buffer = Buffer.alloc(LARGEST);
    return buffer.subarray(0, readSync(file, buffer, 0, LARGEST, 0));
  } finally {
    closeSync(file);
  }
}

function invalid(path: string, why: string, cause?: unknown): KleidiError {
  return new KleidiError("audit-invalid", `Cannot use the audit key ${path}: ${why}`, cause);
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
