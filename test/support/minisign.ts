/** Signatures of minisign for tests: made with node:crypto, and by the real program. */
import { spawnSync } from "node:child_process";
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  randomBytes,
  sign,
} from "node:crypto";

/** The PKCS #8 prefix of the 32 bytes of an Ed25519 private key (RFC 8410, section 7). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** A minisign key pair. */
export interface Signer {
  /** The base64 line of the .pub file. */
  readonly publicKey: string;
  /** The key id as minisign prints it. */
  readonly keyId: string;
  /** The text of a .minisig. */
  sign(
    file: Uint8Array,
    options?: { readonly comment?: string; readonly legacy?: boolean; readonly algorithm?: string },
  ): string;
}

/** @param seed for the same key each time; absent: random */
export function newSigner(id: Uint8Array = randomBytes(8), seed?: string): Signer {
  const privateKey = seed === undefined ? generateKeyPairSync("ed25519").privateKey : keyOf(seed);
  const raw = Buffer.from(createPublicKey(privateKey).export({ format: "jwk" }).x ?? "", "base64url");
  return {
    publicKey: Buffer.concat([Buffer.from("Ed"), id, raw]).toString("base64"),
    keyId: Buffer.from(id.toReversed()).toString("hex").toUpperCase(),
    sign(file, { comment = "kleidi test", legacy = false, algorithm = legacy ? "Ed" : "ED" } = {}) {
      const message = legacy ? file : createHash("blake2b512").update(file).digest();
      const signature = sign(null, message, privateKey);
      const global = sign(null, Buffer.concat([signature, Buffer.from(comment)]), privateKey);
      const line = Buffer.concat([Buffer.from(algorithm), id, signature]);
      return [
        "untrusted comment: signature of a test",
        line.toString("base64"),
        `trusted comment: ${comment}`,
        global.toString("base64"),
        "",
      ].join("\n");
    },
  };
}

function keyOf(seed: string) {
  const key = Buffer.concat([PKCS8, hash("sha256", seed, "buffer")]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

/** Runs the real minisign in a folder. */
export function minisign(folder: string, args: readonly string[]): { status: number | null; said: string } {
  const options = { cwd: folder, encoding: "utf8", input: "" } as const;
  const { status, stdout, stderr } = spawnSync("minisign", args, options);
  return { status, said: `${stdout}${stderr}` };
}
