/** The requests for tokens: of an application at Microsoft Entra ID, and of a managed identity at the metadata service of its machine. */
import type { Request, Response } from "../../exchange.ts";
import { Unreachable } from "../../exchange.ts";
import { type AccessToken, lifeIn, tokenOf } from "../access-token.ts";
import { valueAt } from "../pointer.ts";
import { readSecret } from "../secret-file.ts";
import { fieldFault, tokenFault } from "../secret-text.ts";
import { ask, documentOf, driftIn, errorCodeIn, refusedBy, type Service, textOf } from "../service.ts";
import { assertionOf, readCertificate } from "./certificate.ts";
import type { AzureLogin } from "./grant.ts";

/** For the metadata service: its answers come from the machine itself. */
const LIMIT_MS = 2000;
const ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const DEFAULT_RESOURCE = "https://vault.azure.net";

export type Application = Exclude<AzureLogin, { source: "managed-identity" }>;
type Machine = AzureLogin & { source: "managed-identity" };

/** @throws Unreachable; CredentialRefused if the application's secret, certificate or token is not valid */
export async function applicationToken(service: Service, login: Application): Promise<AccessToken> {
  const { tenant, client, resource = DEFAULT_RESOURCE } = login;
  const url = new URL(`/${tenant}/oauth2/v2.0/token`, login.login);
  const form = new URLSearchParams({
    client_id: client,
    grant_type: "client_credentials",
    scope: `${resource}/.default`,
    ...proofOf(login, url.href, service.clock.date()),
  });
  const request: Request = {
    method: "POST",
    path: url.pathname,
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: Buffer.from(form.toString()),
  };
  const what = `the token of the application ${client} at ${url.host}`;
  const answer = await ask(service, what, request).finally(() => request.body.fill(0));
  if (answer.status === 200) return accessTokenIn(what, answer);
  const number = errorNumberIn(answer);
  const code = number === "" ? errorCodeIn(answer, ["error"]) : `AADSTS${number}`;
  throw refusedBy(
    what,
    answer.status,
    code,
    driftIn(answer, service.clock.date()) ?? remedyFor(number, login),
  );
}

/** @throws Unreachable; CredentialRefused if the machine has no such identity */
export async function machineToken(service: Service, login: Machine): Promise<AccessToken> {
  const { client, resource = DEFAULT_RESOURCE } = login;
  const query = new URLSearchParams({
    "api-version": "2018-02-01",
    resource,
    ...(client === undefined ? {} : { client_id: client }),
  });
  const path = "/metadata/identity/oauth2/token";
  const what = `the token at GET ${path} of the metadata service`;
  const request = {
    method: "GET",
    path: `${path}?${query}`,
    // Without it the service refuses: a program that was led here by a redirect does not send it.
    headers: { metadata: "true" },
    body: new Uint8Array(),
  };
  const answer = await ask(service, what, request, LIMIT_MS);
  if (answer.status === 200) return accessTokenIn(what, answer);
  const code = errorCodeIn(answer, ["error"]);
  const remedy =
    client === undefined
      ? "the machine has no identity, or several; assign one (az vm identity assign), and name a user-assigned one in `client`"
      : `the identity ${client} is not assigned to the machine (az vm identity assign --identities)`;
  throw refusedBy(what, answer.status, code, remedy);
}

/** The proof of an application's identity: its secret, or an assertion that it signs or was given. */
function proofOf(login: Application, audience: string, date: number): Record<string, string> {
  if (login.source === "client-secret") return { client_secret: textFrom(login.file, fieldFault) };
  const client_assertion =
    login.source === "client-certificate"
      ? assertionOf(readCertificate(login.file), login.client, audience, date)
      : textFrom(login.file, tokenFault, true);
  return { client_assertion_type: ASSERTION, client_assertion };
}

function textFrom(file: string, faultOf: (text: string) => string | undefined, projected?: boolean): string {
  const secret = readSecret({ file, projected }, faultOf);
  const text = secret.text();
  secret.wipe();
  return text;
}

/** The metadata service writes the number of seconds as text. */
function accessTokenIn(what: string, answer: Response): AccessToken {
  const document = documentOf(what, answer);
  return tokenOf(what, valueAt(document, ["access_token"]), lifeIn(valueAt(document, ["expires_in"])));
}

/** The number of an error of Entra ID (AADSTS); "" if there is none. */
function errorNumberIn({ body }: Response): string {
  try {
    const number = valueAt(JSON.parse(textOf(body)), ["error_codes", "0"]);
    return typeof number === "number" && Number.isSafeInteger(number) ? String(number) : "";
  } catch {
    return "";
  }
}

function remedyFor(number: string, { source, file, tenant, client }: Application): string {
  switch (number) {
    case "7000222":
      return `the client secret has expired: create another one (az ad app credential reset --id ${client}), and put it into ${file}`;
    case "7000215":
      return `the content of ${file} is not a secret of the application; it must be the secret itself and not its id`;
    case "700027":
      return `the certificate in ${file} is not one of the application (az ad app credential list --id ${client} --cert), or has expired`;
    case "700016":
      return `there is no such application in the tenant ${tenant}`;
    case "90002":
      return `there is no tenant ${tenant} in this cloud; look at credential.azure.login too`;
    case "700211":
    case "700212":
    case "700213":
    case "70021":
      return `no federated credential of the application has the issuer, subject and audience of the token in ${file} (az ad app federated-credential list --id ${client})`;
    default:
      return `look at the ${source} in ${file}, and at the application in the tenant`;
  }
}

/** The object id in a token, which a role assignment names. @throws Unreachable it is not readable */
export function principalIn({ token }: AccessToken): string {
  const payload = Buffer.from(token.text().split(".")[1] ?? "", "base64url").toString();
  let claims: unknown;
  try {
    claims = JSON.parse(payload);
  } catch {
    throw new Unreachable("the token is not one that the host can read");
  }
  const [object, tenant] = ["oid", "tid"].map((name) => valueAt(claims, [name]));
  if (![object, tenant].every((id) => typeof id === "string" && /^[0-9a-f-]{36}$/.test(id)))
    throw new Unreachable("the token names no object");
  return `the object ${object} of the tenant ${tenant}`;
}
