/** The JSON key of a service account, and the assertion that it signs (RFC 7523). The addresses in the file are not used. */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { Unreachable } from "../../exchange.ts";
import { valueAt } from "../pointer.ts";
import { readSecret } from "../secret-file.ts";

/** An assertion is exchanged at once; Google allows an hour. */
const LIFE_S = 3600;
/** A server whose clock is behind refuses an assertion of its future. */
const EARLIER_S = 10;
const LEAST_BITS = 2048;

export interface AccountKey {
  readonly email: string;
  readonly keyId: string;
  readonly key: KeyObject;
}

/** @throws Unreachable naming the file */
export function readAccountKey(file: string): AccountKey {
  const text = readSecret({ file }, accountKeyFault);
  const parsed = accountKeyIn(text.text());
  text.wipe();
  // The file was checked.
  if (typeof parsed === "string") throw new Unreachable(`the secret file ${file} cannot be used`, "file");
  return parsed;
}

/** @returns the fault of a file's text, or undefined. It quotes nothing of the text. */
export function accountKeyFault(text: string): string | undefined {
  const parsed = accountKeyIn(text);
  return typeof parsed === "string" ? parsed : undefined;
}

/**
 * The assertion that an account asks for a token with.
 * @param audience the URL of the token endpoint
 * @param date in milliseconds of Date.now()
 */
export function assertionOf(
  { email, keyId, key }: AccountKey,
  scope: string,
  audience: string,
  date: number,
) {
  const iat = Math.floor(date / 1000) - EARLIER_S;
  const header = { alg: "RS256", typ: "JWT", kid: keyId };
  const claims = { iss: email, scope, aud: audience, exp: iat + LIFE_S, iat };
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const signature = sign("sha256", Buffer.from(signed.join(".")), key);
  return [...signed, signature.toString("base64url")].join(".");
}

/** @returns the key, or the fault of the text */
function accountKeyIn(text: string): AccountKey | string {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  const [type, email, keyId, pem] = ["type", "client_email", "private_key_id", "private_key"].map((name) =>
    valueAt(document, [name]),
  );
  if (type === "external_account")
    return "it describes a workload identity, not a key: write its audience into credential.gcp, with source: workload-identity";
  if (type !== "service_account") return "it is not the key of a service account";
  if (typeof email !== "string" || !/^[\w.-]{1,64}@[\w.-]{1,128}$/.test(email))
    return "it has no client_email";
  if (typeof keyId !== "string" || !/^\w{1,64}$/.test(keyId)) return "it has no private_key_id";
  const key = privateKeyIn(pem);
  return key === undefined
    ? "it has no RSA key of 2048 bits or more as its private_key"
    : { email, keyId, key };
}

function privateKeyIn(pem: unknown): KeyObject | undefined {
  if (typeof pem !== "string") return undefined;
  try {
    const key = createPrivateKey(pem);
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
    return key.asymmetricKeyType === "rsa" && bits >= LEAST_BITS ? key : undefined;
  } catch {
    return undefined;
  }
}
