/** The metadata service of a machine in Google Cloud, and of GKE: tokens of the service account that is attached, and its name. */
import { type Response, Unreachable } from "../../exchange.ts";
import type { AccessToken } from "../access-token.ts";
import { ask, refusedBy, type Service, textOf } from "../service.ts";
import { tokenIn } from "./token.ts";

const ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default";
/** Its answers come from the machine itself; a lost one is a fault of the configuration. */
const LIMIT_MS = 2000;

/** @throws Unreachable; CredentialRefused if no account is attached */
export async function machineToken(service: Service, scope: string): Promise<AccessToken> {
  return tokenIn(...(await get(service, "token", `?scopes=${scope}`)));
}

/** @returns the e-mail address of the account. @throws Unreachable */
export async function machineAccount(service: Service): Promise<string> {
  const [what, answer] = await get(service, "email");
  const email = textOf(answer.body).trim();
  if (!/^[\w.-]{1,64}@[\w.-]{1,128}$/.test(email)) throw new Unreachable(`${what} is not an e-mail address`);
  return email;
}

async function get(service: Service, name: string, query = ""): Promise<[what: string, answer: Response]> {
  const what = `the ${name} at GET ${ACCOUNT}/${name} of the metadata service`;
  const request = {
    method: "GET",
    path: `${ACCOUNT}/${name}${query}`,
    // Without it the service refuses: a program that was led here by a redirect does not send it.
    headers: { "metadata-flavor": "Google" },
    body: new Uint8Array(),
  };
  const answer = await ask(service, what, request, LIMIT_MS);
  if (answer.headers["metadata-flavor"] !== "Google")
    throw new Unreachable(`${what} was not answered by a metadata service of Google`);
  if (answer.status === 200) return [what, answer];
  const remedy =
    "the machine has no service account; attach one (gcloud compute instances set-service-account), with a role that may use the key";
  throw refusedBy(what, answer.status, "", remedy);
}
