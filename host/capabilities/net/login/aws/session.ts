/** The keys of an identity with their life, as a service or a file gives them. A document from a service is distrusted. */
import { Secret } from "../../../../lib/secret.ts";
import { type Response, Unreachable } from "../../exchange.ts";
import { SHORTEST_MS } from "../issued-credential.ts";
import { valueAt } from "../pointer.ts";
import { tokenFault } from "../secret-text.ts";
import { dateIn } from "../service.ts";
import type { Keys } from "./signer.ts";

export interface Session {
  readonly keys: Keys;
  /** From now on, in milliseconds; Infinity for keys that do not expire. */
  readonly lifeMs: number;
}

/** Gets keys, each time anew. @throws Unreachable */
export type Source = () => Promise<Session>;

/** The longest session of AWS, of a federated user. A longer life is not believed. */
const LONGEST_MS = 36 * 3_600_000;
const SECRET = /^[\x21-\x7e]{16,256}$/;
const ID = /^\w{16,128}$/;

/** @returns the fault of a secret access key, or undefined */
export function secretFault(text: string): string | undefined {
  return SECRET.test(text) ? undefined : "it is not 16 to 256 printable characters without a space";
}

/**
 * Makes keys of their texts.
 * @param what begins an error message
 * @param step the step that fails where a text cannot be a key
 * @throws Unreachable a text cannot be a key
 */
export function keysOf(
  what: string,
  id: unknown,
  secret: unknown,
  token: unknown,
  step: Unreachable["step"] = "answer",
): Keys {
  if (typeof id !== "string" || !ID.test(id)) throw new Unreachable(`${what} has no access key id`, step);
  if (typeof secret !== "string" || secretFault(secret) !== undefined)
    throw new Unreachable(`${what} has no secret access key`, step);
  if (token === undefined) return { accessKeyId: id, secretAccessKey: Secret.of(secret) };
  if (typeof token !== "string" || tokenFault(token) !== undefined)
    throw new Unreachable(`${what} has a session token that a header cannot carry`, step);
  return { accessKeyId: id, secretAccessKey: Secret.of(secret), sessionToken: Secret.of(token) };
}

/** The members of a document with temporary keys. The names of the token differ. */
export interface Members {
  readonly token: "Token" | "SessionToken";
}

/**
 * Reads temporary keys.
 * @param document parsed JSON
 * @param answer the response that it came in: its `date` is what `Expiration` is counted from, so that the clock of this machine does not matter
 * @param date of this machine, in milliseconds, where the response has none
 * @throws Unreachable the document has no usable keys
 */
export function sessionIn(
  what: string,
  document: unknown,
  { token }: Members,
  { headers }: Pick<Response, "headers">,
  date: number,
): Session {
  const member = (name: string) => valueAt(document, [name]);
  const keys = keysOf(what, member("AccessKeyId"), member("SecretAccessKey"), member(token) ?? null);
  const ends = timeOf(member("Expiration"));
  if (ends === undefined) throw new Unreachable(`${what} does not say when the keys expire`);
  const lifeMs = Math.min(ends - (dateIn(headers) ?? date), LONGEST_MS);
  if (lifeMs < SHORTEST_MS)
    throw new Unreachable(`${what} returned keys that have expired, or do so at once`);
  return { keys, lifeMs };
}

/** STS writes seconds as a number in JSON; the metadata services write ISO 8601. */
function timeOf(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value * 1000 : undefined;
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT[\d:.]{8,16}Z$/.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}
