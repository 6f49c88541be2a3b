/** Requests of the host for its own credential. Each has its own time limit, and continues if its caller no longer waits. */
import { untilAborted } from "../../../lib/deadline.ts";
import type { CredentialEvent } from "../../capability.ts";
import { type Request, type Response, type Send, Unreachable } from "../exchange.ts";
import type { Clock } from "./clock.ts";
import type { Call } from "./token-recipe.ts";

/** Emits an event of a credential; the receiver adds the provider. */
export type EmitEvent = (event: Omit<CredentialEvent, "provider">) => void;

/** The transport and the clock of a credential. */
export interface RequestContext {
  readonly send: Send;
  readonly clock: Clock;
}

/**
 * Sends one request with a time limit.
 * @param what begins the error message: "the login at POST /v1/auth/approle/login"
 * @param limitMs milliseconds
 * @throws Unreachable and nothing else. Other errors are not quoted, because they may contain the request.
 */
export async function timedRequest(
  { send, clock }: RequestContext,
  what: string,
  request: Request,
  limitMs: number,
): Promise<Response> {
  const controller = new AbortController();
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(limitMs, () => {
    const error = new Unreachable(`${what} was not answered within ${limitMs} ms`, "time");
    late.reject(error);
    controller.abort(error);
  });
  try {
    return await Promise.race([send(request, controller.signal), late.promise]);
  } catch (error) {
    const known = error instanceof Unreachable ? error : new Unreachable("it failed for an unknown reason");
    const why = known.message;
    throw new Unreachable(why.startsWith(what) ? why : `${what} got no answer: ${why}`, known.step);
  } finally {
    cancel();
  }
}

/** Waits for shared work until the caller's signal is aborted. The work continues. */
export function waitFor<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return untilAborted(signal, work, () => new Unreachable("the call ended before the credential was ready"));
}

/** Builds a request. @param fields the JSON object of the body; absent: no body */
export function requestOf(call: Call, fields?: Readonly<Record<string, unknown>>): Request {
  const { method, path, headers = {} } = call;
  if (fields === undefined) return { method, path, headers, body: new Uint8Array() };
  const body = Buffer.from(JSON.stringify(fields));
  return { method, path, headers: { ...headers, "content-type": "application/json" }, body };
}
