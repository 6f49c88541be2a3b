/** The access tokens of the Google stand-in, and the errors of Google's APIs (google.rpc.Status in JSON). */
import { randomBytes } from "node:crypto";
import type { Received, Sent } from "../listener.ts";

export interface Access {
  /** As an IAM policy names it: "serviceAccount:kek@project.iam.gserviceaccount.com". */
  readonly member: string;
  readonly scopes: readonly string[];
  /** In milliseconds of the stand-in's clock. */
  expires: number;
}

/** A refused request: its status in HTTP and its code in gRPC. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly reason: string | undefined;

  constructor(status: number, code: string, message: string, reason?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.reason = reason;
  }
}

export class Tokens {
  readonly all = new Map<string, Access>();
  /** The life of the next tokens. */
  lifeMs = 3_599_000;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  issue(member: string, scopes: readonly string[]): { token: string; expires: number } {
    const token = `ya29.${randomBytes(90).toString("base64url")}`;
    const expires = this.#now() + this.lifeMs;
    this.all.set(token, { member, scopes, expires });
    return { token, expires };
  }

  /** The answer of a token endpoint (RFC 6749, 5.1). */
  answer(member: string, scopes: readonly string[]): Sent {
    const access_token = this.issue(member, scopes).token;
    const expires_in = Math.floor(this.lifeMs / 1000);
    return json(200, { access_token, expires_in, token_type: "Bearer" });
  }

  /** @param scopes one of these is needed. @throws Refused */
  verify({ headers }: Received, scopes: readonly string[]): Access {
    const [, token = ""] = /^Bearer ([\w.-]+)$/.exec(headers.authorization ?? "") ?? [];
    const access = this.all.get(token);
    if (access === undefined || access.expires <= this.#now())
      throw new Refused(
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
        access === undefined ? "ACCESS_TOKEN_TYPE_UNSUPPORTED" : "ACCESS_TOKEN_EXPIRED",
      );
    if (!scopes.some((scope) => access.scopes.includes(`https://www.googleapis.com/auth/${scope}`)))
      throw new Refused(
        403,
        "PERMISSION_DENIED",
        "Request had insufficient authentication scopes.",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
      );
    return access;
  }
}

export function json(status: number, body: unknown): Sent {
  return { status, type: "application/json; charset=UTF-8", body: JSON.stringify(body, null, 2) };
}

/** Runs an API's method. A refusal becomes Google's error. */
export function answering(work: () => Sent): Sent {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { status, code, message, reason } = error;
    const type = "type.googleapis.com/google.rpc.ErrorInfo";
    const details =
      reason === undefined
        ? {}
        : { details: [{ "@type": type, reason, domain: "googleapis.com", metadata: {} }] };
    return json(status, { error: { code: status, message, status: code, ...details } });
  }
}
