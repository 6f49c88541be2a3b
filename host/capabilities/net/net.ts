/** kleidi:net: sends requests to the one granted origin, with the host's credential, which the provider never sees. */
import { hash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { type NetRequest, NetResponseSchema } from "../../../proto/provider/v1/provider_pb.ts";
import { answer, type HostAnswer, type HostCall, HostCode, refusal } from "../../host-call.ts";
import { withDeadline as within } from "../../lib/deadline.ts";
import { replaceNonAscii } from "../../lib/text.ts";
import { denied, type Opened, type Plan } from "../capability.ts";
import {
  type Credential,
  CredentialRefused,
  type Request,
  type Response,
  type Send,
  Unreachable,
} from "./exchange.ts";
import { decideRequest, type NetGrant, splitQuery } from "./policy.ts";
import { type AllowedRequest, lineText } from "./request-syntax.ts";
import { REQUESTS } from "./requests.ts";

/** The route of one provider to its origin. */
export interface Route {
  readonly send: Send;
  readonly credential?: Credential | undefined;
  readonly timeoutMs: number;
  /** False for a request that the credential is not for, although a line covers it. */
  readonly fits?: ((request: string) => boolean) | undefined;
}

export interface NetOptions {
  readonly routes: ReadonlyMap<string, Route>;
  /** Called with problems that the operator should know. A guest must not be able to trigger it at will. */
  readonly warn: (provider: string, why: string) => void;
}

/** The response headers that a guest sees in addition to the granted ones. */
const ALWAYS_SEEN: ReadonlySet<string> = new Set(["content-type", "date", "retry-after"]);
const NEVER_SEEN: ReadonlySet<string> = new Set(["set-cookie", "set-cookie2"]);
/** The size of a response that fits into a HostReply, in bytes. */
const MAX_RESPONSE = 65_000;

export function openNet({ routes, warn }: NetOptions): Opened<typeof REQUESTS, NetGrant> {
  return { requests: REQUESTS, decide: { request: decide } };

  function decide(
    { method, path, headers, body }: NetRequest,
    call: HostCall,
    grant: NetGrant,
  ): Plan | HostAnswer {
    const route = routes.get(call.provider);
    if (route === undefined) return denied(call, "no origin is granted");
    const verdict = decideRequest({ method, path, headers, bytes: body.length }, grant);
    if (!verdict.allowed) return denied(call, verdict.reason);
    if (route.fits?.(`${method} ${path}`) === false)
      return denied(call, "a request that the credential of the grant is not for");
    if (body.length > grant.requestBytes) {
      return refusal(
        HostCode.LIMIT,
        `a body of ${body.length} bytes, at most ${grant.requestBytes} are allowed`,
      );
    }
    const named = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
    return {
      target: targetOf(grant.origin, path, verdict.line),
      async perform() {
        try {
          const response = await exchange(route, { method, path, headers: named, body }, call.signal);
          if (containsSecret(route.credential, response)) {
            warn(
              call.provider,
              "the server's answer contains the credential, and was not passed to the provider",
            );
            return refusal(HostCode.UNAVAILABLE, "the server's answer contains the credential");
          }
          return encoded(response, grant.headers);
        } catch (error) {
          if (call.signal.aborted) return refusal(HostCode.UNAVAILABLE, "the call is over");
          if (error instanceof CredentialRefused)
            return refusal(HostCode.NOT_AUTHENTIC, error.message, error.step);
          if (error instanceof Unreachable) return refusal(HostCode.UNAVAILABLE, error.message, error.step);
          throw error;
        }
      },
    };
  }
}

/**
 * The recorded target of a request. The part of a path that a guest chose, under a granted folder, is recorded as a hash only: a guest
 * knows secrets, and no record may contain them.
 */
function targetOf(origin: string, target: string, line: AllowedRequest): string {
  const { path } = splitQuery(target);
  if (path === line.path) return lineText({ ...line, path: `${origin}${path}` });
  return `${line.method} ${origin}${line.path}* (path sha256 ${hash("sha256", path).slice(0, 16)})`;
}

/** Sends a request within the time-out: a login if necessary, the request, and one retry if a new login may help. */
function exchange(
  { send, credential, timeoutMs }: Route,
  request: Request,
  over: AbortSignal,
): Promise<Response> {
  const late = () => new Unreachable(`the server did not answer within ${timeoutMs} ms`, "time");
  return within(timeoutMs, over, late, async (signal) => {
    const lease = await credential?.lease(signal);
    signal.throwIfAborted();
    const response = await send(lease?.sign(request) ?? request, signal);
    if (lease === undefined || !isRefusal(credential, response)) return response;
    const another = await credential?.refused(lease, signal, response);
    signal.throwIfAborted();
    if (another !== true) return response;
    const next = await credential?.lease(signal);
    signal.throwIfAborted();
    return await send(next?.sign(request) ?? request, signal);
  });
}

function isRefusal(credential: Credential | undefined, response: Response): boolean {
  return credential?.isRefusal?.(response) ?? (response.status === 401 || response.status === 403);
}

function containsSecret(credential: Credential | undefined, { headers, body }: Response): boolean {
  if (credential === undefined) return false;
  return (
    credential.containsSecret(body) ||
    credential.containsSecret(Buffer.from(Object.values(headers).join("\n"), "latin1"))
  );
}

function encoded({ status, headers, body }: Response, granted: readonly string[]): HostAnswer {
  const seen = Object.entries(headers)
    .filter(([name]) => (ALWAYS_SEEN.has(name) || granted.includes(name)) && !NEVER_SEEN.has(name))
    .map(([name, value]) => ({ name, value: replaceNonAscii(value) }));
  const bytes = toBinary(NetResponseSchema, create(NetResponseSchema, { status, headers: seen, body }));
  if (bytes.length > MAX_RESPONSE)
    return refusal(
      HostCode.UNAVAILABLE,
      `the server's answer is ${bytes.length} bytes with its headers, at most ${MAX_RESPONSE} fit`,
    );
  return answer(bytes);
}
