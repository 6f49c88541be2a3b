/** The requests for tokens: of a service account, of a workload identity, and of a service account that another identity acts as. */
import type { Request, Response } from "../../exchange.ts";
import type { AccessToken } from "../access-token.ts";
import { valueAt } from "../pointer.ts";
import { readSecret } from "../secret-file.ts";
import { tokenFault } from "../secret-text.ts";
import { ask, driftIn, errorCodeIn, refusedBy, type Service } from "../service.ts";
import { assertionOf, readAccountKey } from "./account-key.ts";
import type { GcpLogin } from "./grant.ts";
import { impersonatedIn, tokenIn } from "./token.ts";

type Login<Source extends GcpLogin["source"]> = GcpLogin & { source: Source };

/** @throws Unreachable; CredentialRefused if the key is not valid */
export async function accountToken(
  service: Service,
  { file, oauth }: Login<"service-account">,
  scope: string,
): Promise<AccessToken> {
  const key = readAccountKey(file);
  const audience = new URL("/token", oauth).href;
  const request = formOf("/token", {
    grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
    assertion: assertionOf(key, scope, audience, service.clock.date()),
  });
  const remedy = `the key in ${file} was deleted, disabled, or is of another account (gcloud iam service-accounts keys list --iam-account=${key.email})`;
  return tokenIn(...(await perform(service, `the token of ${key.email} at ${audience}`, request, remedy)));
}

/** @throws Unreachable; CredentialRefused if the pool does not accept the token */
export async function federatedToken(
  service: Service,
  login: Login<"workload-identity">,
  scope: string,
): Promise<AccessToken> {
  const url = new URL("/v1/token", login.sts);
  const request = formOf(url.pathname, {
    audience: login.audience,
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
    scope,
    subject_token: subjectToken(login),
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
  });
  const remedy = `look at the token in ${login.file} (its audience must be one that the pool's provider allows, and its issuer the provider's), and at the condition of ${login.audience}`;
  return tokenIn(...(await perform(service, `the token exchange at ${url.host}`, request, remedy)));
}

/**
 * @param by the token of the identity that acts as the account
 * @param member that identity, for the remedy
 * @throws Unreachable; CredentialRefused if the identity may not act as the account
 */
export async function impersonatedToken(
  service: Service,
  account: string,
  by: AccessToken,
  member: () => Promise<string>,
  scope: string,
): Promise<AccessToken> {
  const request: Request = {
    method: "POST",
    path: `/v1/projects/-/serviceAccounts/${account}:generateAccessToken`,
    headers: { authorization: `Bearer ${by.token.text()}`, "content-type": "application/json" },
    body: Buffer.from(JSON.stringify({ scope: [scope], lifetime: "3600s" })),
  };
  const remedy = async () =>
    `add the role: gcloud iam service-accounts add-iam-policy-binding ${account} --member=${await member()} --role=roles/iam.serviceAccountTokenCreator`;
  const [what, answer] = await perform(service, `the token of ${account}`, request, remedy);
  return impersonatedIn(what, answer, service.clock.date());
}

/** The token of a workload identity. @throws Unreachable naming the file */
export function subjectToken({ file, field }: Login<"workload-identity">): string {
  const secret = readSecret({ file, projected: true }, (text) => subjectFault(text, field));
  const text = secret.text();
  secret.wipe();
  return memberOf(text, field) ?? "";
}

export function subjectFault(text: string, field: string | undefined): string | undefined {
  const token = memberOf(text, field);
  return token === undefined ? `it is not JSON with a text as its member ${field}` : tokenFault(token);
}

function memberOf(text: string, field: string | undefined): string | undefined {
  if (field === undefined) return text;
  try {
    const value = valueAt(JSON.parse(text), [field]);
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}

async function perform(
  service: Service,
  what: string,
  request: Request,
  remedy: string | (() => Promise<string>),
): Promise<[what: string, answer: Response]> {
  const answer = await ask(service, what, request).finally(() => request.body.fill(0));
  if (answer.status === 200) return [what, answer];
  const code = errorCodeIn(answer, ["error"], ["error", "status"]);
  const drift = driftIn(answer, service.clock.date());
  throw refusedBy(what, answer.status, code, drift ?? (typeof remedy === "string" ? remedy : await remedy()));
}

function formOf(path: string, fields: Readonly<Record<string, string>>): Request {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  return { method: "POST", path, headers, body: Buffer.from(new URLSearchParams(fields).toString()) };
}
