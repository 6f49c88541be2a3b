/** Checks of level 2: the KMS holds the key. A guest that encrypts by itself, and asks the KMS for show, fails them. */
import type { MadeCall } from "./call-script.ts";
import { type Check, eachOf, type Findings } from "./check.ts";
import { notFailure } from "./expectation.ts";
import type { Outcome } from "./outcome.ts";
import type { Subject } from "./subject.ts";

/** Capabilities through which a guest uses a key that it does not have. */
const KMS: ReadonlySet<string> = new Set(["keystore", "tpm", "net", "pkcs11"]);

export const KMS_CHECKS: readonly Check[] = [
  { name: "kms_is_called", level: 2, section: "5", run: kmsCalled },
  { name: "kms_without_the_key_does_not_decrypt", level: 2, section: "4", run: strangerRefuses },
  { name: "answers_of_the_kms_are_used", level: 2, section: "4", run: answersUsed },
  { name: "plaintext_is_written_nowhere", level: 2, section: "4", run: noLeaks },
];

async function kmsCalled(subject: Subject): Promise<Findings> {
  return await eachOf(subject, ["encrypt", "decrypt"] as const, async (rpc) => {
    const { made } = await subject.callGood(rpc);
    return made.some(isKms) ? undefined : `${rpc} made no host call of ${[...KMS].join(", ")}`;
  });
}

async function strangerRefuses(subject: Subject): Promise<Findings> {
  const { stranger } = subject.options;
  if (stranger === undefined)
    return { skipped: "the KMS is a real one: there is no second one without the key" };
  const fault = notFailure(await subject.open(await subject.good(), {}, { gate: stranger }), [1, 2]);
  return fault === undefined
    ? []
    : [`Decrypt with a KMS that has another key under the same version ${fault}`];
}

/** Decrypt, with the answers that the KMS gave for another ciphertext, must not give the plaintext of this one. */
async function answersUsed(subject: Subject): Promise<Findings> {
  const good = await subject.good();
  const other = await subject.seal({ version: good.version });
  const { made } = await subject.open(other);
  if (!made.some(isKms)) return { skipped: "Decrypt makes no host call to a KMS" };
  const outcome = await subject.open(
    good,
    {},
    { replace: (call, index) => (isKms(call) ? made[index]?.answer : undefined) },
  );
  return isPlaintext(outcome, good.plaintext)
    ? ["Decrypt gave the plaintext although the KMS answered for another ciphertext"]
    : [];
}

function isPlaintext(outcome: Outcome<"decrypt">, plaintext: Uint8Array): boolean {
  return outcome.kind === "reply" && Buffer.compare(outcome.reply.plaintext, plaintext) === 0;
}

function isKms({ capability }: Pick<MadeCall, "capability">): boolean {
  return KMS.has(capability);
}

/** Looks at all calls so far, and at some whose answers are refused: a failure's message can quote a request. */
async function noLeaks(subject: Subject): Promise<Findings> {
  for (const rpc of ["encrypt", "decrypt"] as const) {
    const { made } = await subject.callGood(rpc);
    for (let at = 0; at < made.length; at++)
      await subject.callGood(rpc, { replace: (_, index) => (index === at ? REFUSED : undefined) });
  }
  return [...subject.leaks];
}

const REFUSED = { code: 5, message: "answered by the conformance kit", body: new Uint8Array() };
