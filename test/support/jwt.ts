/** Signs JSON Web Tokens (RFC 7519) with its own key, like an identity provider or an API server. */
import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";

export type Claims = Readonly<Record<string, unknown>>;

export class JwtIssuer {
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" });

  /** The public key, for verifiers. */
  get publicKey(): string {
    return String(this.#keys.publicKey.export({ type: "spki", format: "pem" }));
  }

  /** ES256; issued now and valid for ten minutes, unless the claims say otherwise. */
  sign(claims: Claims): string {
    const now = Math.floor(Date.now() / 1000);
    const head = encode({ alg: "ES256", typ: "JWT" });
    const signed = `${head}.${encode({ iat: now, nbf: now, exp: now + 600, ...claims })}`;
    const key = { key: this.#keys.privateKey, dsaEncoding: "ieee-p1363" as const };
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
  }

  /** The claims of an unexpired token that this issuer signed; otherwise undefined. */
  verify(token: string): Claims | undefined {
    const [head = "", claims = "", signature = ""] = token.split(".");
    const key = { key: createPublicKey(this.publicKey), dsaEncoding: "ieee-p1363" as const };
    const bytes = Buffer.from(signature, "base64url");
    if (!verify("sha256", Buffer.from(`${head}.${claims}`), key, bytes)) return undefined;
    const read = JSON.parse(Buffer.from(claims, "base64url").toString()) as { readonly exp: number };
    return read.exp * 1000 > Date.now() ? { ...read } : undefined;
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
