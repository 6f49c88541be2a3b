/**
 * Parses a server's answers to credential requests, with as little trust as possible. No message quotes an answer, because a server may
 * echo the secrets that it was sent. For the same reason errors have no cause: those of JSON.parse quote their input.
 */

import { Secret } from "../../../lib/secret.ts";
import { CredentialRefused, type Response, Unreachable } from "../exchange.ts";
import { type Pointer, pointerText, valueAt } from "./pointer.ts";
import { tokenFault } from "./secret-text.ts";
import type { Call, Lifetime } from "./token-recipe.ts";

const MAX_BYTES = 64 * 1024;
/** Statuses of a refused login. Vault answers 400 to a wrong secret id and to a wrong password. */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403]);
const LONGEST_S = 10 * 365 * 86_400;

export interface TokenLifetime {
  /** In milliseconds; Infinity for a token that never expires. */
  readonly ttlMs: number;
  readonly renewable: boolean;
}

/**
 * Parses the JSON of a successful answer.
 * @param what names the request, as `describeRequest` does
 * @param remedy the advice for a refusal
 * @throws Unreachable the status is not 2xx, or the body is not JSON; CredentialRefused if the server refused the credential
 */
export function documentOf(what: string, { status, body }: Response, remedy: string): unknown {
  if (status < 200 || status > 299) {
    const Failure = REFUSALS.has(status) ? CredentialRefused : Unreachable;
    throw new Failure(`${what} was refused (${status}): ${reasonOf(status, remedy)}`);
  }
  if (body.length > MAX_BYTES) {
    throw new Unreachable(`${what} returned ${body.length} bytes, at most ${MAX_BYTES} are allowed`);
  }
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    throw new Unreachable(`${what} did not return JSON: is the origin the right server?`);
  }
}

/** @throws Unreachable the answer has no token, or one that a header cannot carry */
export function tokenIn(what: string, document: unknown, pointer: Pointer): Secret {
  const value = valueAt(document, pointer);
  if (typeof value !== "string") {
    throw new Unreachable(`${what} returned no token: there is no text at ${pointerText(pointer)}`);
  }
  const fault = tokenFault(value);
  if (fault !== undefined) throw new Unreachable(`${what} returned an unusable token: ${fault}`);
  return Secret.of(value);
}

/** @throws Unreachable the time to live is not a number of seconds, or too short to use */
export function lifetimeIn(what: string, document: unknown, { ttl, renewable }: Lifetime): TokenLifetime {
  const seconds = secondsOf(ttl === undefined ? undefined : valueAt(document, ttl));
  if (seconds === undefined) {
    throw new Unreachable(`${what} returned a time to live that is not a number of seconds`);
  }
  if (seconds === 0) return { ttlMs: Number.POSITIVE_INFINITY, renewable: false };
  if (seconds < 1) {
    throw new Unreachable(
      `${what} returned a time to live of less than one second, which is too short to use`,
    );
  }
  return {
    ttlMs: Math.min(seconds, LONGEST_S) * 1000,
    renewable: renewable !== undefined && valueAt(document, renewable) === true,
  };
}

/** Some servers write the number as text. */
function secondsOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0;
  if (typeof value === "string") return /^\d{1,12}$/.test(value) ? Number(value) : undefined;
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** Names a request in a sentence: "the login at POST /v1/auth/approle/login". */
export function describeRequest(kind: string, { method, path }: Call): string {
  return `the ${kind} at ${method} ${path}`;
}

function reasonOf(status: number, remedy: string): string {
  if (status >= 300 && status < 400) return "it redirects, which is not followed; name the server itself";
  if (status === 404) return "nothing is there; look at the path, the mount and the namespace";
  if (status === 405) return "the method is not allowed there; look at the path and the method";
  if (status === 429) return "there were too many requests";
  if (status === 503) return "the server is sealed, stands by or is overloaded";
  if (status >= 500) return "the server failed; look at its log";
  return remedy;
}
