/** Signature Version 4: signs requests with the keys of an AWS identity, for one Region and service. */
import { createHmac, hash } from "node:crypto";
import { inspect } from "node:util";
import { ownBytes, Secret } from "../../../../lib/secret.ts";
import type { Request } from "../../exchange.ts";
import { canonicalRequest } from "./canonical.ts";

const ALGORITHM = "AWS4-HMAC-SHA256";

/** The keys of an identity. */
export interface Keys {
  /** Not secret: it is in every request, and in CloudTrail. */
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  /** Of temporary keys. */
  readonly sessionToken?: Secret | undefined;
}

/** Where a signature is valid. */
export interface Scope {
  readonly region: string;
  /** In a signature: "kms", "sts". */
  readonly service: string;
}

export class Signer {
  readonly #keys: Keys;
  readonly #scope: Scope;
  /** The key of one day: its four steps cost more than the rest of a signature. */
  #key: { readonly day: string; readonly secret: Secret } | undefined;

  constructor(keys: Keys, scope: Scope) {
    this.#keys = keys;
    this.#scope = scope;
  }

  /**
   * Signs a request.
   * @param host the value of the `host` header that the transport sends
   * @param date the time of the signature, in milliseconds of Date.now(); the server accepts five minutes on each side
   * @returns the request with `x-amz-date`, `authorization` and, for temporary keys, `x-amz-security-token`
   * @example
   *     new Signer(keys, { region: "eu-central-1", service: "kms" }).sign(request, "kms.eu-central-1.amazonaws.com", Date.now());
   */
  sign(request: Request, host: string, date: number): Request {
    const { accessKeyId, sessionToken } = this.#keys;
    const time = new Date(date).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
    const headers: Record<string, string> = { ...request.headers, "x-amz-date": time };
    delete headers.authorization;
    delete headers["x-amz-security-token"];
    if (sessionToken !== undefined) headers["x-amz-security-token"] = sessionToken.text();
    const day = time.slice(0, 8);
    const scope = `${day}/${this.#scope.region}/${this.#scope.service}/aws4_request`;
    const { text, signedHeaders } = canonicalRequest(
      { ...request, headers },
      host,
      hash("sha256", request.body),
    );
    const toSign = [ALGORITHM, time, scope, hash("sha256", text)].join("\n");
    const signature = this.#keyOf(day).use((key) => hmac(key, toSign).toString("hex"));
    headers.authorization = `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
    return { ...request, headers };
  }

  #keyOf(day: string): Secret {
    if (this.#key?.day === day) return this.#key.secret;
    this.#key?.secret.wipe();
    const secret = deriveKey(this.#keys.secretAccessKey, [day, this.#scope.region, this.#scope.service]);
    this.#key = { day, secret };
    return secret;
  }

  [inspect.custom](): string {
    return "[signer]";
  }
}

/** The chain of keys from the secret key to that of a day, a Region and a service. */
function deriveKey(secret: Secret, scope: readonly string[]): Secret {
  const first = ownBytes(`AWS4${" ".repeat(secret.length)}`);
  secret.use((bytes) => first.set(bytes, 4));
  return new Secret(
    [...scope, "aws4_request"].reduce<Uint8Array>((key, part) => {
      const next = hmac(key, part);
      key.fill(0);
      return next;
    }, first),
  );
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
