/** Keys of a machine from the metadata service of EC2, version 2, and of a container from the endpoint of ECS or EKS Pod Identity. */
import type { Request } from "../../exchange.ts";
import { Unreachable } from "../../exchange.ts";
import { readSecret } from "../secret-file.ts";
import { tokenFault } from "../secret-text.ts";
import { ask, documentOf, refusedBy, type Service, textOf } from "../service.ts";
import type { AwsLogin } from "./grant.ts";
import { type Session, type Source, sessionIn } from "./session.ts";

const TOKEN_PATH = "/latest/api/token";
const ROLES_PATH = "/latest/meta-data/iam/security-credentials/";
/** The longest that the service allows. */
const TOKEN_SECONDS = 21_600;
/** Its answers come from the machine itself; a lost one is a fault of the configuration. */
const LIMIT_MS = 2000;
const NO_ROLE =
  "the machine has no instance profile; attach one (aws ec2 associate-iam-instance-profile), with a role that may use the key";
const HOPS =
  "it answers within its hop limit only: in a container of its own network, allow two hops (aws ec2 modify-instance-metadata-options --instance-id ID --http-put-response-hop-limit 2), or use the host's network";

/** A machine's keys. The session token of the service is kept for its life. */
export function instanceSource(service: Service): Source {
  let token: { readonly text: string; readonly until: number } | undefined;

  async function currentToken(): Promise<string> {
    const now = service.clock.now();
    if (token !== undefined && now < token.until) return token.text;
    const what = `the session at PUT ${TOKEN_PATH} of the metadata service`;
    const headers = { "x-aws-ec2-metadata-token-ttl-seconds": String(TOKEN_SECONDS) };
    const { status, body } = await ask(
      service,
      what,
      { method: "PUT", path: TOKEN_PATH, headers, body: new Uint8Array() },
      LIMIT_MS,
    ).catch((error: Unreachable) => {
      throw new Unreachable(`${error.message}; ${HOPS}`, error.step);
    });
    const text = textOf(body);
    if (status !== 200 || tokenFault(text) !== undefined)
      throw refusedBy(
        what,
        status === 200 ? 500 : status,
        "",
        "is the metadata service enabled (HttpEndpoint)?",
      );
    token = { text, until: now + (TOKEN_SECONDS * 1000) / 2 };
    return text;
  }

  async function get(path: string, what: string) {
    for (let again = true; ; again = false) {
      const headers = { "x-aws-ec2-metadata-token": await currentToken() };
      const answer = await ask(
        service,
        what,
        { method: "GET", path, headers, body: new Uint8Array() },
        LIMIT_MS,
      );
      // The service has forgotten its session, as after a restart.
      if (answer.status === 401 && again) token = undefined;
      else return answer;
    }
  }

  return async (): Promise<Session> => {
    const what = `the role at GET ${ROLES_PATH} of the metadata service`;
    const roles = await get(ROLES_PATH, what);
    const role = textOf(roles.body).split("\n", 1)[0]?.trim() ?? "";
    if (roles.status === 404 || (roles.status === 200 && role === ""))
      throw refusedBy(what, 404, "", NO_ROLE);
    if (roles.status !== 200)
      throw refusedBy(what, roles.status, "", "is the metadata service enabled (HttpEndpoint)?");
    if (!/^[\w+=,.@-]{1,64}$/.test(role)) throw new Unreachable(`${what} did not return the name of a role`);
    const keys = `the keys at GET ${ROLES_PATH}${role} of the metadata service`;
    const answer = await get(ROLES_PATH + role, keys);
    if (answer.status !== 200) throw refusedBy(keys, answer.status, "", NO_ROLE);
    return sessionIn(keys, documentOf(keys, answer), { token: "Token" }, answer, service.clock.date());
  };
}

/** A container's keys. The token file is read each time: the kubelet replaces it. */
export function containerSource(config: AwsLogin & { source: "container" }, service: Service): Source {
  const { pathname } = new URL(config.endpoint);
  const what = `the keys at GET ${pathname} of the container's endpoint`;
  const remedy =
    config.file === undefined
      ? "look at the path of the endpoint, and give the container a role"
      : `look at the token in ${config.file}, and at the association of the service account with a role (aws eks list-pod-identity-associations)`;
  return async () => {
    const request: Request = {
      method: "GET",
      path: pathname,
      headers: authorization(config),
      body: new Uint8Array(),
    };
    const answer = await ask(service, what, request);
    if (answer.status !== 200) throw refusedBy(what, answer.status, "", remedy);
    return sessionIn(what, documentOf(what, answer), { token: "Token" }, answer, service.clock.date());
  };
}

function authorization({ file }: { readonly file?: string }): Record<string, string> {
  if (file === undefined) return {};
  const token = readSecret({ file, projected: true }, tokenFault);
  const headers = { authorization: token.text() };
  token.wipe();
  return headers;
}
