/** Compares an outcome with what a case expects. */
import { isDenied } from "./call-script.ts";
import type { Expectation } from "./case-file.ts";
import { type Outcome, outcomeText, type ReplyOf, type TestedRpc } from "./outcome.ts";
import type { Sealed, Subject } from "./subject.ts";

/** @returns the fault as a sentence without a subject; undefined if the outcome is the expected one */
export async function faultOf(
  subject: Subject,
  rpc: TestedRpc,
  outcome: Outcome<TestedRpc>,
  expected: Expectation,
): Promise<string | undefined> {
  if (expected === "good") return await notGood(subject, rpc, outcome);
  if (expected === "void") return notVoid(outcome);
  if (expected === "answered")
    return outcome.kind === "failure" ? undefined : await notGood(subject, rpc, outcome);
  if (expected === "refused") {
    const isRefused = outcome.kind === "failure" || outcome.kind === "trap";
    return isRefused ? undefined : `gave ${outcomeText(outcome)}, expected a failure`;
  }
  return notFailure(outcome, expected.failure);
}

/** @returns the fault; undefined for a failure with one of the codes */
export function notFailure(outcome: Outcome<TestedRpc>, codes: readonly number[]): string | undefined {
  if (outcome.kind === "failure" && codes.includes(outcome.code)) return undefined;
  return `gave ${outcomeText(outcome)}, expected failure ${codes.join(" or ")}`;
}

/** A denial voids the call; a guest that goes on would do work whose result nobody gets. */
function notVoid(outcome: Outcome<TestedRpc>): string | undefined {
  if (outcome.kind !== "void") return `gave ${outcomeText(outcome)}, expected a void call`;
  const denied = outcome.made.findIndex(isDenied);
  const after = outcome.made.length - 1 - denied;
  return after === 0 ? undefined : `made ${after} host call(s) after the denial, expected none`;
}

async function notGood(
  subject: Subject,
  rpc: TestedRpc,
  outcome: Outcome<TestedRpc>,
): Promise<string | undefined> {
  if (outcome.kind !== "reply") return `gave ${outcomeText(outcome)}, expected a good reply`;
  const good = await subject.good();
  if (rpc === "status") {
    const { version } = outcome.reply as ReplyOf<"status">;
    return version === good.version ? undefined : `gave version ${version}, expected ${good.version}`;
  }
  if (rpc === "decrypt") return otherPlaintext(outcome.reply as ReplyOf<"decrypt">, good);
  const { ciphertext, annotations } = outcome.reply as ReplyOf<"encrypt">;
  const opened = await subject.open({ ...good, ciphertext, annotations });
  return opensTo(opened, good.plaintext);
}

function otherPlaintext(
  { plaintext }: ReplyOf<"decrypt">,
  { plaintext: expected }: Sealed,
): string | undefined {
  return Buffer.compare(plaintext, expected) === 0 ? undefined : "gave another plaintext";
}

/** @returns the fault; undefined if Decrypt gave this plaintext */
export function opensTo(outcome: Outcome<"decrypt">, plaintext: Uint8Array): string | undefined {
  if (outcome.kind !== "reply") return `gave a ciphertext whose Decrypt gave ${outcomeText(outcome)}`;
  return Buffer.compare(outcome.reply.plaintext, plaintext) === 0
    ? undefined
    : "gave a ciphertext whose Decrypt gave another plaintext";
}
