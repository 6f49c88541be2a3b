/** Microsoft Entra ID of the Azure stand-in, and the metadata service: they give access tokens to applications and machines. */
import { constants, createHash, randomBytes, randomUUID, verify, type X509Certificate } from "node:crypto";
import type { Received, Sent } from "../listener.ts";

export const TENANT = "11111111-2222-3333-4444-555555555555";

export interface Application {
  readonly client: string;
  /** Of its service principal: what a role assignment names. */
  readonly object: string;
  secrets: string[];
  certificate?: X509Certificate;
  /** Accepted tokens of another issuer. */
  tokens: Set<string>;
}

export interface Access {
  readonly object: string;
  readonly client: string;
  readonly tenant: string;
  readonly resource: string;
  /** In milliseconds of the stand-in's clock. */
  expires: number;
}

export class FakeEntra {
  readonly applications = new Map<string, Application>();
  readonly issued = new Map<string, Access>();
  lifeMs = 3_599_000;
  /** The identities of the machine, the system-assigned one first. */
  machine: Application[] = [];
  readonly #now: () => number;
  readonly #origin: () => string;

  constructor(now: () => number, origin: () => string) {
    this.#now = now;
    this.#origin = origin;
  }

  application(): Application {
    const made = { client: randomUUID(), object: randomUUID(), secrets: [], tokens: new Set<string>() };
    this.applications.set(made.client, made);
    return made;
  }

  answer(request: Received): Sent {
    const { method, path, body, headers } = request;
    if (method === "GET" && path.endsWith("/v2.0/.well-known/openid-configuration")) return this.#described();
    if (path !== `/${TENANT}/oauth2/v2.0/token`)
      return refused(90002, "invalid_request", "Tenant not found.");
    if (method !== "POST" || !headers["content-type"]?.startsWith("application/x-www-form-urlencoded"))
      return refused(900144, "invalid_request", "content-type");
    const form = new URLSearchParams(body.toString());
    const [, resource = ""] =
      /^(https:\/\/[\w.-]+)\/\.default$/.exec(form.get("scope")?.split(" ")[0] ?? "") ?? [];
    if (form.get("grant_type") !== "client_credentials" || resource === "")
      return refused(70011, "invalid_scope", "The provided value for scope is not valid.");
    const application = this.applications.get(form.get("client_id") ?? "");
    if (application === undefined)
      return refused(700016, "unauthorized_client", "Application was not found in the directory.");
    const fault = this.#faultOf(application, form);
    if (fault !== undefined) return refused(fault, "invalid_client", "Invalid client.");
    return this.#token(application, resource, (seconds) => ({
      expires_in: seconds,
      ext_expires_in: seconds,
    }));
  }

  /** The metadata service. */
  answerMachine({ method, path, query, headers }: Received): Sent {
    const fault = (status: number, error: string) => ({
      status,
      type: "application/json; charset=utf-8",
      body: JSON.stringify({ error, error_description: "" }),
    });
    if (headers.metadata !== "true" || headers["x-forwarded-for"] !== undefined)
      return fault(400, "invalid_request");
    if (
      method !== "GET" ||
      path !== "/metadata/identity/oauth2/token" ||
      query.get("api-version") !== "2018-02-01"
    )
      return fault(404, "not_found");
    const client = query.get("client_id");
    const named = client === null ? this.machine[0] : this.machine.find((each) => each.client === client);
    if (named === undefined) return fault(400, "invalid_request");
    return this.#token(named, query.get("resource") ?? "", (seconds) => ({
      expires_in: String(seconds),
      expires_on: String(Math.floor(this.#now() / 1000) + seconds),
    }));
  }

  /** @returns the access of the token in a request; undefined if there is none */
  accessOf({ headers }: Received): Access | undefined {
    return this.issued.get(/^Bearer ([\w.-]+)$/.exec(headers.authorization ?? "")?.[1] ?? "");
  }

  now(): number {
    return this.#now();
  }

  #described(): Sent {
    const origin = this.#origin();
    const endpoint = (name: string) => `${origin}/${TENANT}/oauth2/v2.0/${name}`;
    return ok({
      token_endpoint: endpoint("token"),
      authorization_endpoint: endpoint("authorize"),
      issuer: `${origin}/${TENANT}/v2.0`,
    });
  }

  /** @returns the number of the error */
  #faultOf(application: Application, form: URLSearchParams): number | undefined {
    const secret = form.get("client_secret");
    if (secret !== null) return application.secrets.includes(secret) ? undefined : 7000215;
    if (form.get("client_assertion_type") !== "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
      return 7000216;
    const assertion = form.get("client_assertion") ?? "";
    if (application.tokens.has(assertion)) return undefined;
    return application.certificate === undefined ? 70021 : this.#assertionFault(application, assertion);
  }

  #assertionFault({ certificate, client }: Application, assertion: string): number | undefined {
    const [header = "", payload = "", signature = ""] = assertion.split(".");
    const read = (part: string) => JSON.parse(Buffer.from(part, "base64url").toString());
    const { alg, typ, "x5t#S256": thumbprint = "" } = read(header);
    const claims = read(payload);
    if (certificate === undefined || alg !== "PS256" || typ !== "JWT") return 700027;
    // The SDK writes base64, the documents say base64url: this reads both.
    const given = Buffer.from(thumbprint, "base64");
    if (!given.equals(createHash("sha256").update(certificate.raw).digest())) return 700027;
    const isSigned = verify(
      "sha256",
      Buffer.from(`${header}.${payload}`),
      { key: certificate.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
      Buffer.from(signature, "base64url"),
    );
    if (!isSigned || claims.iss !== client || claims.sub !== client || typeof claims.jti !== "string")
      return 700027;
    if (claims.aud !== `${this.#origin()}/${TENANT}/oauth2/v2.0/token`) return 700023;
    const now = this.#now() / 1000;
    return claims.nbf <= now + 1 && claims.exp > now ? undefined : 700024;
  }

  #token({ client, object }: Application, resource: string, times: (seconds: number) => object): Sent {
    const expires = this.#now() + this.lifeMs;
    const claims = {
      aud: resource,
      tid: TENANT,
      oid: object,
      appid: client,
      exp: Math.floor(expires / 1000),
    };
    const parts = [{ typ: "JWT", alg: "RS256" }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString("base64url"),
    );
    const token = [...parts, randomBytes(60).toString("base64url")].join(".");
    this.issued.set(token, { object, client, tenant: TENANT, resource, expires });
    return ok({ token_type: "Bearer", access_token: token, ...times(Math.floor(this.lifeMs / 1000)) });
  }
}

function ok(body: unknown): Sent {
  return { status: 200, type: "application/json; charset=utf-8", body: JSON.stringify(body) };
}

function refused(number: number, error: string, text: string): Sent {
  const body = {
    error,
    error_description: `AADSTS${number}: ${text} Trace ID: 0 Correlation ID: 0 Timestamp: 2026-11-27 10:00:00Z`,
    error_codes: [number],
    timestamp: "2026-11-27 10:00:00Z",
    trace_id: "0",
    correlation_id: "0",
  };
  return {
    status: error === "invalid_client" ? 401 : 400,
    type: "application/json; charset=utf-8",
    body: JSON.stringify(body),
  };
}
