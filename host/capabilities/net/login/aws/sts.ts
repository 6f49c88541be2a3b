/**
 * STS: a role for a web identity, a role for another identity, and the name of an identity. STS speaks the query protocol; with
 * `Accept: application/json` it answers in JSON, with times as numbers of seconds. Envoy's source of web identity credentials and
 * aws-iam-authenticator rely on that.
 */

import type { Request } from "../../exchange.ts";
import { Unreachable } from "../../exchange.ts";
import { valueAt } from "../pointer.ts";
import { readSecret } from "../secret-file.ts";
import { tokenFault } from "../secret-text.ts";
import { ask, documentOf, errorCodeIn, refusedBy, type Service } from "../service.ts";
import type { AwsLogin } from "./grant.ts";
import type { ServerClock } from "./server-clock.ts";
import { type Session, sessionIn } from "./session.ts";
import { type Keys, Signer } from "./signer.ts";

export interface StsService extends Service {
  readonly origin: string;
  /** Of the KMS; STS is in the same one, unless its name says another. */
  readonly region: string;
  /** The name of sessions. */
  readonly session: string;
  readonly serverClock: ServerClock;
}

/** @throws Unreachable; CredentialRefused if the role's trust policy does not accept the token */
export async function assumeWithWebIdentity(
  sts: StsService,
  { role, file }: AwsLogin & { source: "web-identity" },
): Promise<Session> {
  const token = readSecret({ file, projected: true }, tokenFault);
  const request = formOf({
    Action: "AssumeRoleWithWebIdentity",
    RoleArn: role,
    RoleSessionName: sts.session,
    WebIdentityToken: token.text(),
  });
  token.wipe();
  const remedy = `look at the token in ${file} (its audience is sts.amazonaws.com), and at the trust policy of ${role}: it must allow sts:AssumeRoleWithWebIdentity to the token's issuer and subject`;
  return await credentials(sts, "AssumeRoleWithWebIdentity", request, remedy);
}

/** @throws Unreachable; CredentialRefused if the identity may not assume the role */
export async function assumeRole(
  sts: StsService,
  keys: Keys,
  { role, externalId }: NonNullable<AwsLogin["assume"]>[number],
): Promise<Session> {
  const request = formOf({
    Action: "AssumeRole",
    RoleArn: role,
    RoleSessionName: sts.session,
    ...(externalId === undefined ? {} : { ExternalId: externalId }),
  });
  const statement = JSON.stringify({ Effect: "Allow", Action: "sts:AssumeRole", Resource: role });
  const remedy = `add to the policy of the identity that assumes it: ${statement}; the trust policy of the role must name that identity too${externalId === undefined ? "" : ", and the external id"}`;
  return await credentials(sts, "AssumeRole", request, remedy, keys);
}

/** @returns the ARN of the identity. @throws Unreachable */
export async function callerIdentity(sts: StsService, keys: Keys): Promise<string> {
  const action = "GetCallerIdentity";
  const found = await perform(sts, action, formOf({ Action: action }), "the keys are not valid", keys);
  const arn = valueAt(found.result, ["Arn"]);
  if (typeof arn !== "string" || !/^arn:[\w-]{1,32}:(?:iam|sts)::\d{12}:[\w+=,.@:/-]{1,600}$/.test(arn))
    throw new Unreachable("STS did not return the ARN of an identity");
  return arn;
}

async function credentials(
  sts: StsService,
  action: string,
  request: Request,
  remedy: string,
  keys?: Keys,
): Promise<Session> {
  const { what, result, answer } = await perform(sts, action, request, remedy, keys).finally(() => {
    // It has the token of a web identity.
    request.body.fill(0);
  });
  const document = valueAt(result, ["Credentials"]);
  return sessionIn(what, document, { token: "SessionToken" }, answer, sts.clock.date());
}

async function perform(sts: StsService, action: string, request: Request, remedy: string, keys?: Keys) {
  const what = `${action} at ${new URL(sts.origin).host}`;
  for (let again = keys !== undefined; ; again = false) {
    const answer = await ask(sts, what, keys === undefined ? request : signed(sts, request, keys));
    if (answer.status === 200) {
      const result = valueAt(documentOf(what, answer), [`${action}Response`, `${action}Result`]);
      return { what, result, answer };
    }
    if (again && sts.serverClock.correctFrom(answer)) continue;
    throw refusedBy(what, answer.status, errorCodeIn(answer, ["Error", "Code"]), remedy);
  }
}

function signed({ origin, region, serverClock }: StsService, request: Request, keys: Keys): Request {
  const { host, hostname } = new URL(origin);
  return new Signer(keys, { region: regionOf(hostname) ?? region, service: "sts" }).sign(
    request,
    host,
    serverClock.date(),
  );
}

/** The Region in the name of STS: "sts.eu-west-1.amazonaws.com"; the global one signs for us-east-1. Undefined for another name. */
function regionOf(host: string): string | undefined {
  if (host === "sts.amazonaws.com") return "us-east-1";
  return /(?:^|\.)sts(?:-fips)?\.([a-z0-9-]+-\d+)\./.exec(host)?.[1];
}

function formOf(fields: Readonly<Record<string, string>>): Request {
  const form = new URLSearchParams({ ...fields, Version: "2011-06-15" });
  const headers = { accept: "application/json", "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", path: "/", headers, body: Buffer.from(form.toString()) };
}
