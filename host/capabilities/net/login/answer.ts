/**
 * What the server answered, believed as little as can be. No sentence has a byte of an answer in it: a server may echo what it was
 * sent. For the same reason there are no causes: what JSON.parse throws quotes its input.
 */

import { Secret } from "../../../lib/secret.ts";
import { CredentialRefused, type Response, Unreachable } from "../exchange.ts";
import { type Pointer, pointerText, valueAt } from "./pointer.ts";
import { tokenFault } from "./text.ts";
import type { Call, Lifetime } from "./token-recipe.ts";

const MAX_BYTES = 64 * 1024;
/** Vault answers 400 to a wrong secret id and to a wrong password. */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403]);
const LONGEST_S = 10 * 365 * 86_400;

export interface Life {
  /** Infinity where it never ends. */
  readonly ttlMs: number;
  readonly renewable: boolean;
}

/** The answer's JSON. @throws Unreachable where it is none, or no success */
export function documentOf(what: string, { status, body }: Response, remedy: string): unknown {
  if (status < 200 || status > 299) {
    const Failure = REFUSALS.has(status) ? CredentialRefused : Unreachable;
    throw new Failure(`${what} was refused (${status}): ${reasonOf(status, remedy)}`);
  }
  if (body.length > MAX_BYTES) {
    throw new Unreachable(`${what} gave ${body.length} bytes, at most ${MAX_BYTES} are allowed`);
  }
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    throw new Unreachable(`${what} gave no JSON: does the origin lead to the right server?`);
  }
}

/** @throws Unreachable where there is no token that a header can carry */
export function tokenIn(what: string, document: unknown, pointer: Pointer): Secret {
  const value = valueAt(document, pointer);
  if (typeof value !== "string") {
    throw new Unreachable(`${what} gave no token: there is no text at ${pointerText(pointer)}`);
  }
  const fault = tokenFault(value);
  if (fault !== undefined) throw new Unreachable(`${what} gave a token that cannot be used: ${fault}`);
  return Secret.of(value);
}

/** @throws Unreachable where the time to live is none, or too short to use */
export function lifeIn(what: string, document: unknown, { ttl, renewable }: Lifetime): Life {
  const seconds = secondsOf(ttl === undefined ? undefined : valueAt(document, ttl));
  if (seconds === undefined) {
    throw new Unreachable(`${what} gave a time to live that is no number of seconds`);
  }
  if (seconds === 0) return { ttlMs: Number.POSITIVE_INFINITY, renewable: false };
  if (seconds < 1) {
    throw new Unreachable(`${what} gave a time to live of less than one second, which is too short to use`);
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

/** How a request is called in a sentence. */
export function nameOf(kind: string, { method, path }: Call): string {
  return `the ${kind} at ${method} ${path}`;
}

function reasonOf(status: number, remedy: string): string {
  if (status >= 300 && status < 400) return "it redirects, which is not followed; name the server itself";
  if (status === 404) return "nothing is there; look at the path, the mount and the namespace";
  if (status === 405) return "it takes no such request; look at the path and the method";
  if (status === 429) return "there were too many requests";
  if (status === 503) return "the server is sealed, stands by or is overloaded";
  if (status >= 500) return "the server failed; look at its log";
  return remedy;
}
