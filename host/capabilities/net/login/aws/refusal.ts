/** Reads from an answer of AWS if it refuses the credential or the time of a signature. A refusal has any status from 400 to 403. */
import type { Response } from "../../exchange.ts";
import { valueAt } from "../pointer.ts";

/** Errors that other keys, or another time, can end. AccessDenied is none: the policy of the identity decides it. */
const CODES: ReadonlySet<string> = new Set([
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "RequestExpired",
  "RequestTimeTooSkewed",
  "SignatureDoesNotMatch",
  "UnrecognizedClientException",
]);
const TIME = /RequestExpired|RequestTimeTooSkewed|Signature expired|Signature not yet current/;
/** An error of AWS is shorter. */
const MAX_BYTES = 4096;

export type Refusal = "keys" | "time";

/** @returns undefined if the answer refuses neither */
export function refusalIn({ status, body }: Response): Refusal | undefined {
  if (status < 400 || status > 403 || body.length > MAX_BYTES) return undefined;
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch {
    return undefined;
  }
  const code = textAt(document, ["__type"], ["Error", "Code"]).replace(/^.*#/, "");
  if (!CODES.has(code)) return undefined;
  const message = textAt(document, ["message"], ["Message"], ["Error", "Message"]);
  return TIME.test(code) || TIME.test(message) ? "time" : "keys";
}

function textAt(document: unknown, ...pointers: readonly string[][]): string {
  for (const pointer of pointers) {
    const value = valueAt(document, pointer);
    if (typeof value === "string") return value;
  }
  return "";
}
