/** One request of the credential's own, with a time limit of its own: who waits for it may go, it goes on. */
import { untilAborted } from "../../../lib/deadline.ts";
import type { CredentialEvent } from "../../capability.ts";
import { type Request, type Response, type Send, Unreachable } from "../exchange.ts";
import type { Clock } from "./clock.ts";

/** What a credential says of itself, without the provider. */
export type Tell = (event: Omit<CredentialEvent, "provider">) => void;

export interface Ask {
  readonly send: Send;
  readonly clock: Clock;
}

/**
 * @param what begins the sentence: "the login at POST /v1/auth/approle/login"
 * @throws Unreachable and nothing else. Of what else was thrown nothing is told, as the request may be in it.
 */
export async function ask(
  { send, clock }: Ask,
  what: string,
  request: Request,
  limitMs: number,
): Promise<Response> {
  const controller = new AbortController();
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(limitMs, () => {
    const error = new Unreachable(`${what} was not answered within ${limitMs} ms`);
    late.reject(error);
    controller.abort(error);
  });
  try {
    return await Promise.race([send(request, controller.signal), late.promise]);
  } catch (error) {
    const why = error instanceof Unreachable ? error.message : "it failed in an unknown way";
    throw new Unreachable(why.startsWith(what) ? why : `${what} got no answer: ${why}`);
  } finally {
    cancel();
  }
}

/** Waits as long as the caller does. The work goes on without it. */
export function waitFor<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return untilAborted(signal, work, () => new Unreachable("the call was over before there was a credential"));
}

/** A request whose body, if any, is a JSON object. */
export function requestOf(
  call: { readonly method: string; readonly path: string },
  fields?: Readonly<Record<string, unknown>>,
): Request {
  const { method, path } = call;
  if (fields === undefined) return { method, path, headers: {}, body: new Uint8Array() };
  const body = Buffer.from(JSON.stringify(fields));
  return { method, path, headers: { "content-type": "application/json" }, body };
}
