/** The signing key of a release: a minisign key without a password, read and used as `kleidi provider sign` does it. */
import { readSecretKey as read, type SecretKey, SecretKeyFault } from "../../host/module/trust/secret-key.ts";
import { ReleaseFault } from "./fault.ts";

export type { SecretKey } from "../../host/module/trust/secret-key.ts";
export { signatureOf } from "../../host/module/trust/sign.ts";

/** @throws ReleaseFault that names the path, and never quotes the file */
export function readSecretKey(path: string): SecretKey {
  try {
    return read(path);
  } catch (error) {
    if (!(error instanceof SecretKeyFault)) throw error;
    const remedy = error.hasPassword
      ? '; run without --key, then "minisign -S -m FILE" where the key is'
      : "";
    throw new ReleaseFault(`${error.message}${remedy}`, { cause: error });
  }
}
