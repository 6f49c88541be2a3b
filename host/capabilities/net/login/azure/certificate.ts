/** The certificate of an application with its key, and the assertion that it signs (RFC 7523; Microsoft's "certificate credentials"). */
import {
  constants,
  createHash,
  createPrivateKey,
  type KeyObject,
  randomUUID,
  sign,
  X509Certificate,
} from "node:crypto";
import { Unreachable } from "../../exchange.ts";
import { readSecret } from "../secret-file.ts";

/** It is exchanged at once. */
const LIFE_S = 600;
/** A server whose clock is behind refuses an assertion of its future. */
const EARLIER_S = 10;
const LEAST_BITS = 2048;

export interface ClientCertificate {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

/** @throws Unreachable naming the file */
export function readCertificate(file: string): ClientCertificate {
  const text = readSecret({ file }, certificateFault);
  const parsed = certificateIn(text.text());
  text.wipe();
  // The file was checked.
  if (typeof parsed === "string") throw new Unreachable(`the secret file ${file} cannot be used`, "file");
  return parsed;
}

/** @returns the fault of a file's text, or undefined. It quotes nothing of the text. */
export function certificateFault(text: string): string | undefined {
  const parsed = certificateIn(text);
  return typeof parsed === "string" ? parsed : undefined;
}

/**
 * The assertion that an application asks for a token with, signed by PS256 over the SHA-256 thumbprint of its certificate.
 * @param audience the URL of the token endpoint
 * @param date in milliseconds of Date.now()
 */
export function assertionOf(
  { certificate, key }: ClientCertificate,
  client: string,
  audience: string,
  date: number,
): string {
  const nbf = Math.floor(date / 1000) - EARLIER_S;
  const thumbprint = createHash("sha256").update(certificate.raw).digest("base64url");
  const header = { alg: "PS256", typ: "JWT", "x5t#S256": thumbprint };
  const claims = {
    aud: audience,
    exp: nbf + LIFE_S,
    iat: nbf,
    iss: client,
    jti: randomUUID(),
    nbf,
    sub: client,
  };
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
  const signature = sign("sha256", Buffer.from(signed.join(".")), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
  return [...signed, signature.toString("base64url")].join(".");
}

/** @returns the certificate and its key, or the fault of the text */
function certificateIn(text: string): ClientCertificate | string {
  let certificate: X509Certificate;
  let key: KeyObject;
  try {
    certificate = new X509Certificate(text);
  } catch {
    return "it has no certificate in PEM";
  }
  try {
    key = createPrivateKey(text);
  } catch {
    return "it has no private key in PEM beside the certificate";
  }
  if (key.asymmetricKeyType !== "rsa" || (key.asymmetricKeyDetails?.modulusLength ?? 0) < LEAST_BITS)
    return "its key is not an RSA key of 2048 bits or more";
  return certificate.checkPrivateKey(key) ? { certificate, key } : "its key is not that of its certificate";
}
