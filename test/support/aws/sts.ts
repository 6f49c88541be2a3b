/** STS of the AWS stand-in: the query protocol, which answers in XML, or in JSON where the request accepts that only. */
import type { Received, Sent } from "../listener.ts";
import { type Identities, type Identity, Refused } from "./identities.ts";

export interface FakeRole {
  readonly arn: string;
  /** The actions of its policies. */
  readonly allowed: readonly string[];
  /** The web identity tokens that its trust policy accepts. */
  readonly webTokens?: Set<string>;
  /** The identities that may assume it, by ARN. */
  readonly trusted?: Set<string>;
  readonly externalId?: string;
}

export class FakeSts {
  readonly roles = new Map<string, FakeRole>();
  readonly faults: { code: string; message: string; status: number }[] = [];
  /** The life of the keys that it gives, in place of the requested one. */
  lifeMs: number | undefined;
  /** The last keys that it gave. */
  given: Identity | undefined;
  readonly #identities: Identities;
  readonly #region: string;

  constructor(identities: Identities, region: string) {
    this.#identities = identities;
    this.#region = region;
  }

  answer(request: Received): Sent {
    const json = request.headers.accept === "application/json";
    const fault = this.faults.shift();
    try {
      if (fault !== undefined) return failure(fault.code, fault.message, fault.status, json);
      const form = new URLSearchParams(request.body.toString());
      if (request.method !== "POST" || request.path !== "/") throw new Refused("InvalidAction", "");
      if (!request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded"))
        throw new Refused("InvalidAction", "content-type");
      if (form.get("Version") !== "2011-06-15") throw new Refused("InvalidAction", "Version");
      return this.#perform(form, request, json);
    } catch (error) {
      if (error instanceof Refused) return failure(error.code, error.message, 403, json);
      throw error;
    }
  }

  #perform(form: URLSearchParams, request: Received, json: boolean): Sent {
    const action = form.get("Action");
    if (action === "AssumeRoleWithWebIdentity") return success(action, this.#web(form), json);
    const identity = this.#identities.verify(request, this.#region, "sts");
    if (action === "AssumeRole") return success(action, this.#assume(form, identity), json);
    if (action !== "GetCallerIdentity") throw new Refused("InvalidAction", String(action));
    const [, , , , account = ""] = identity.arn.split(":");
    return success(action, { Account: account, Arn: identity.arn, UserId: "AROAEXAMPLE:kleidi" }, json);
  }

  #web(form: URLSearchParams): unknown {
    expectOnly(form, ["RoleArn", "RoleSessionName", "WebIdentityToken", "DurationSeconds"]);
    const role = this.roles.get(form.get("RoleArn") ?? "");
    if (role?.webTokens?.has(form.get("WebIdentityToken") ?? "") !== true)
      throw new Refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    return this.#give(role, form);
  }

  #assume(form: URLSearchParams, identity: Identity): unknown {
    expectOnly(form, ["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId"]);
    const arn = form.get("RoleArn") ?? "";
    const role = this.roles.get(arn);
    if (
      role?.trusted?.has(identity.arn) !== true ||
      !identity.allowed.has("sts:AssumeRole") ||
      (role.externalId ?? null) !== form.get("ExternalId")
    )
      throw new Refused(
        "AccessDenied",
        `User: ${identity.arn} is not authorized to perform: sts:AssumeRole on resource: ${arn}`,
      );
    return this.#give(role, form);
  }

  #give({ arn, allowed }: FakeRole, form: URLSearchParams): unknown {
    const session = form.get("RoleSessionName") ?? "";
    if (!/^[\w+=,.@-]{2,64}$/.test(session)) throw new Refused("ValidationError", "roleSessionName");
    const lifeMs = this.lifeMs ?? Number(form.get("DurationSeconds") ?? "3600") * 1000;
    const assumed = `${arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")}/${session}`;
    const given = this.#identities.create(assumed, allowed, lifeMs);
    this.given = given;
    return {
      AssumedRoleUser: { Arn: assumed, AssumedRoleId: `AROAEXAMPLE:${session}` },
      Credentials: {
        AccessKeyId: given.accessKeyId,
        SecretAccessKey: given.secretAccessKey,
        SessionToken: given.sessionToken,
        Expiration: given.expires,
      },
    };
  }
}

function expectOnly(form: URLSearchParams, names: readonly string[]): void {
  const unknown = [...form.keys()].find((name) => !["Action", "Version", ...names].includes(name));
  if (unknown !== undefined) throw new Refused("ValidationError", unknown);
}

function success(action: string, result: unknown, json: boolean): Sent {
  const metadata = { RequestId: "c6104cbe-af31-11e0-8154-cbc7ccf896c7" };
  if (json)
    return {
      status: 200,
      type: "application/json",
      body: JSON.stringify({
        // In JSON a time is a number of seconds.
        [`${action}Response`]: {
          [`${action}Result`]: withTimes(result, (ms) => ms / 1000),
          ResponseMetadata: metadata,
        },
      }),
    };
  const body = xml(withTimes(result, (ms) => new Date(ms).toISOString().replace(/\.\d+/, "")));
  return {
    status: 200,
    type: "text/xml",
    body: `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${body}</${action}Result>${xml({ ResponseMetadata: metadata })}</${action}Response>`,
  };
}

function failure(code: string, message: string, status: number, json: boolean): Sent {
  const error = { Error: { Code: code, Message: message, Type: "Sender" }, RequestId: "c6104cbe" };
  if (json) return { status, type: "application/json", body: JSON.stringify(error) };
  return {
    status,
    type: "text/xml",
    body: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${xml(error)}</ErrorResponse>`,
  };
}

function withTimes(value: unknown, form: (ms: number) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === "Expiration" ? form(inner as number) : withTimes(inner, form),
    ]),
  );
}

function xml(value: unknown): string {
  if (typeof value !== "object" || value === null)
    return String(value).replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return Object.entries(value)
    .map(([name, inner]) => `<${name}>${xml(inner)}</${name}>`)
    .join("");
}
