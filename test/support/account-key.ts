/** The JSON key of a service account of Google. One key pair for all: to make one takes long. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";

let pair: { publicKey: KeyObject; privateKey: KeyObject } | undefined;

/** The key pair of each account. */
export function accountPair(): { readonly publicKey: KeyObject; readonly pem: string } {
  pair ??= generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    publicKey: pair.publicKey,
    pem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

/** @param tokenUri an address that nobody may use */
export function accountKeyFile(email: string, keyId: string, tokenUri: string): string {
  const content = {
    ...{ type: "service_account", project_id: "kleidi-test", private_key_id: keyId },
    ...{ private_key: accountPair().pem, client_email: email, client_id: "1", token_uri: tokenUri },
  };
  return JSON.stringify(content, null, 2);
}
