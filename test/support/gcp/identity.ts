/** Where identities of the Google stand-in get tokens: the token endpoint, the Security Token Service, IAM's credentials and the metadata service. */
import { verify } from "node:crypto";
import { accountKeyFile, accountPair } from "../account-key.ts";
import type { Received, Sent } from "../listener.ts";
import { answering, json, Refused, type Tokens } from "./tokens.ts";

export interface Account {
  readonly email: string;
  readonly keyId: string;
  /** The content of its key file. */
  readonly file: string;
}

/** The token endpoint of OAuth 2.0, for keys of service accounts (RFC 7523). */
export class FakeOauth {
  readonly accounts = new Map<string, Account>();
  readonly #tokens: Tokens;
  readonly #now: () => number;
  readonly #url: () => string;

  constructor(tokens: Tokens, now: () => number, url: () => string) {
    this.#tokens = tokens;
    this.#now = now;
    this.#url = url;
  }

  account(name: string, project = "kleidi-test"): Account {
    const email = `${name}@${project}.iam.gserviceaccount.com`;
    const keyId = Buffer.from(name).toString("hex");
    const account = { email, keyId, file: accountKeyFile(email, keyId, this.#url()) };
    this.accounts.set(email, account);
    return account;
  }

  answer(request: Received): Sent {
    const form = formOf(request, "/token", ["grant_type", "assertion"]);
    if (form?.get("grant_type") !== "urn:ietf:params:oauth:grant-type:jwt-bearer")
      return oauthError("unsupported_grant_type", "Invalid grant_type");
    const claims = this.#claimsOf(form.get("assertion") ?? "");
    if (typeof claims === "string") return oauthError("invalid_grant", claims);
    return this.#tokens.answer(`serviceAccount:${claims.iss}`, String(claims.scope).split(" "));
  }

  /** @returns the claims of a valid assertion, or the words of the refusal */
  #claimsOf(assertion: string): Record<string, unknown> | string {
    const [header = "", payload = "", signature = ""] = assertion.split(".");
    const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    const { alg, kid, typ, ...more } = read(header);
    const claims = read(payload);
    const account = this.accounts.get(claims.iss);
    if (account === undefined) return "Invalid grant: account not found";
    if (alg !== "RS256" || typ !== "JWT" || kid !== account.keyId || Object.keys(more).length > 0)
      return "Invalid JWT Signature.";
    const signed = Buffer.from(`${header}.${payload}`);
    if (!verify("sha256", signed, accountPair().publicKey, Buffer.from(signature, "base64url")))
      return "Invalid JWT Signature.";
    const now = this.#now() / 1000;
    const isShort = claims.exp - claims.iat <= 3600 && claims.iat <= now && claims.exp > now;
    if (!isShort)
      return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";
    if (claims.aud !== this.#url() || typeof claims.scope !== "string")
      return "Invalid JWT: Failed audience check.";
    return claims;
  }
}

/** The Security Token Service, for workload identity federation (RFC 8693). */
export class FakeSts {
  /** The principals of accepted tokens, by audience and token. */
  readonly pools = new Map<string, Map<string, string>>();
  readonly #tokens: Tokens;

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  answer(request: Received): Sent {
    const names = [
      "audience",
      "grant_type",
      "requested_token_type",
      "scope",
      "subject_token",
      "subject_token_type",
    ];
    const form = formOf(request, "/v1/token", names);
    const urn = "urn:ietf:params:oauth";
    if (form?.get("grant_type") !== `${urn}:grant-type:token-exchange`)
      return oauthError("unsupported_grant_type", "");
    if (form.get("requested_token_type") !== `${urn}:token-type:access_token`)
      return oauthError("invalid_request", "requested_token_type");
    if (form.get("subject_token_type") !== `${urn}:token-type:jwt`)
      return oauthError("invalid_request", "subject_token_type");
    const principal = this.pools.get(form.get("audience") ?? "")?.get(form.get("subject_token") ?? "");
    if (principal === undefined)
      return oauthError("invalid_grant", "The audience in ID Token does not match the expected audience.");
    const { body, ...answer } = this.#tokens.answer(principal, (form.get("scope") ?? "").split(" "));
    const issued = { ...JSON.parse(body), issued_token_type: `${urn}:token-type:access_token` };
    return { ...answer, body: JSON.stringify(issued) };
  }
}

/** The IAM Service Account Credentials API. */
export class FakeIam {
  /** The members that may act as an account, by its e-mail address. */
  readonly creators = new Map<string, Set<string>>();
  readonly #tokens: Tokens;

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  answer(request: Received): Sent {
    return answering(() => {
      const { method, path, headers, body } = request;
      const [, email = ""] =
        /^\/v1\/projects\/-\/serviceAccounts\/([^/:]+):generateAccessToken$/.exec(path) ?? [];
      if (method !== "POST" || email === "") throw new Refused(404, "NOT_FOUND", "Not found");
      if (headers["content-type"] !== "application/json")
        throw new Refused(400, "INVALID_ARGUMENT", "content-type");
      const { member } = this.#tokens.verify(request, ["cloud-platform", "iam"]);
      const { scope, lifetime = "3600s", delegates = [], ...more } = JSON.parse(body.toString());
      if (
        Object.keys(more).length > 0 ||
        !Array.isArray(scope) ||
        !/^\d+s$/.test(lifetime) ||
        delegates.length > 0
      )
        throw new Refused(400, "INVALID_ARGUMENT", "Invalid JSON payload received.");
      if (this.creators.get(email)?.has(member) !== true)
        throw new Refused(
          403,
          "PERMISSION_DENIED",
          "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
          "IAM_PERMISSION_DENIED",
        );
      const { token, expires } = this.#tokens.issue(`serviceAccount:${email}`, scope);
      return json(200, {
        accessToken: token,
        expireTime: new Date(expires).toISOString().replace(/\.\d+/, ""),
      });
    });
  }
}

/** The metadata service of a machine. */
export class FakeMetadata {
  /** The account of the machine; undefined: it has none. */
  email: string | undefined = "node@kleidi-test.iam.gserviceaccount.com";
  /** The access scopes of the machine. */
  scopes = ["cloud-platform", "cloudkms"].map((scope) => `https://www.googleapis.com/auth/${scope}`);
  readonly #tokens: Tokens;

  constructor(tokens: Tokens) {
    this.#tokens = tokens;
  }

  answer(request: Received): Sent {
    const { method, path, query, headers } = request;
    const flavor = { headers: { "metadata-flavor": "Google", server: "Metadata Server for VM" } };
    if (headers["metadata-flavor"] !== "Google" || headers["x-forwarded-for"] !== undefined)
      return { status: 403, body: "", ...flavor };
    const account = "/computeMetadata/v1/instance/service-accounts/default";
    if (method !== "GET" || this.email === undefined || !path.startsWith(`${account}/`))
      return { status: 404, body: "", ...flavor };
    if (path === `${account}/email`)
      return { status: 200, body: this.email, type: "application/text", ...flavor };
    if (path !== `${account}/token`) return { status: 404, body: "", ...flavor };
    const wanted = query.get("scopes")?.split(",") ?? this.scopes;
    const scopes = wanted.filter((scope) => this.scopes.includes(scope));
    return { ...this.#tokens.answer(`serviceAccount:${this.email}`, scopes), ...flavor };
  }
}

/** The form of a POST; undefined if it is not one, or has other fields. */
function formOf({ method, path, headers, body }: Received, at: string, names: readonly string[]) {
  const isForm = headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
  if (method !== "POST" || path !== at || isForm !== true) return undefined;
  const form = new URLSearchParams(body.toString());
  // Google's SDK sends its options too, empty.
  return [...form].every(([name, value]) => names.includes(name) || value === "") ? form : undefined;
}

function oauthError(error: string, error_description: string): Sent {
  return json(400, { error, error_description });
}
