/** The metadata service of EC2, version 2, and the credential endpoint of ECS and of EKS Pod Identity, of the AWS stand-in. */
import { randomBytes } from "node:crypto";
import type { Received, Sent } from "../listener.ts";
import type { Identity } from "./identities.ts";

const CREDENTIALS = "/latest/meta-data/iam/security-credentials/";

export class FakeMetadata {
  role: string | undefined = "node-role";
  identity: Identity | undefined;
  /** The PUT is answered by packets that do not reach a container: http-put-response-hop-limit is 1. */
  isBeyondHopLimit = false;
  readonly #tokens = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The host's session token of the service is forgotten, as after a restart of it. */
  forgetTokens(): void {
    this.#tokens.clear();
  }

  answer({ method, path, headers, body }: Received): Sent | undefined {
    if (path === "/latest/api/token") {
      if (this.isBeyondHopLimit) return undefined;
      const ttl = headers["x-aws-ec2-metadata-token-ttl-seconds"] ?? "";
      if (method !== "PUT" || body.length > 0 || headers["x-forwarded-for"] !== undefined)
        return { status: 403, body: "" };
      if (!/^\d+$/.test(ttl) || Number(ttl) < 1 || Number(ttl) > 21_600) return { status: 400, body: "" };
      const token = randomBytes(40).toString("base64");
      this.#tokens.set(token, this.#now() + Number(ttl) * 1000);
      return { status: 200, headers: { "x-aws-ec2-metadata-token-ttl-seconds": ttl }, body: token };
    }
    const until = this.#tokens.get(headers["x-aws-ec2-metadata-token"] ?? "");
    if (until === undefined || until <= this.#now()) return { status: 401, body: "" };
    if (method !== "GET" || this.role === undefined) return { status: 404, body: "" };
    if (path === CREDENTIALS) return { status: 200, body: this.role };
    if (path !== CREDENTIALS + this.role) return { status: 404, body: "" };
    return keysOf(this.identity, this.#now(), { Code: "Success", Type: "AWS-HMAC" });
  }
}

export class FakeContainer {
  identity: Identity | undefined;
  /** The content of the token file that it accepts; undefined: it wants none, as ECS. */
  token: string | undefined;
  readonly path = "/v1/credentials";
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  answer({ method, path, headers }: Received): Sent {
    if (method !== "GET" || path !== this.path) return { status: 404, body: "" };
    if (headers.authorization !== this.token)
      return {
        status: 400,
        type: "application/json",
        body: '{"code":"InvalidTokenException","message":"Token cannot be parsed"}',
      };
    return keysOf(this.identity, this.#now(), { RoleArn: "arn:aws:iam::111122223333:role/pod" });
  }
}

function keysOf(identity: Identity | undefined, now: number, more: object): Sent {
  if (identity === undefined) return { status: 500, body: "" };
  const time = (ms: number) => new Date(ms).toISOString().replace(/\.\d+/, "");
  return {
    status: 200,
    type: "application/json",
    body: JSON.stringify({
      ...more,
      LastUpdated: time(now),
      AccessKeyId: identity.accessKeyId,
      SecretAccessKey: identity.secretAccessKey,
      Token: identity.sessionToken,
      Expiration: time(identity.expires ?? 0),
    }),
  };
}
