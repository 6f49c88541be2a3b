/** Signatures of minisign for tests: made here with node:crypto, and by the real program. */
import { spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** A minisign key pair. */
export interface Signer {
  /** The base64 line of the .pub file. */
  readonly publicKey: string;
  /** As minisign prints it. */
  readonly keyId: string;
  /** The text of a .minisig. */
  sign(
    file: Uint8Array,
    options?: { readonly comment?: string; readonly legacy?: boolean; readonly algorithm?: string },
  ): string;
}

export function newSigner(id: Uint8Array = randomBytes(8)): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
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

/** Runs the real minisign in a folder. */
export function minisign(folder: string, args: readonly string[]): { status: number | null; said: string } {
  const options = { cwd: folder, encoding: "utf8", input: "" } as const;
  const { status, stdout, stderr } = spawnSync("minisign", args, options);
  return { status, said: `${stdout}${stderr}` };
}
