/** Status, Encrypt and Decrypt of a module, once, with a trace and a recording. */
import { type Outcome, type ReplyOf, TESTED, type TestedRpc } from "./outcome.ts";
import { type CallLine, callLines, type Recording } from "./recording.ts";
import { requestOf, type Subject } from "./subject.ts";

/** One call of the guest. */
export interface Tried {
  readonly rpc: TestedRpc;
  readonly outcome: Outcome<TestedRpc>;
  readonly ms: number;
  readonly request: Uint8Array;
}

export interface TrialInput {
  /** The RPCs to call; each needs those before it. */
  readonly until: TestedRpc;
  readonly plaintext: Uint8Array;
}

/**
 * Calls Status, then Encrypt with its version, then Decrypt with what Encrypt gave; stops at the first that gives no good reply.
 * @param onTried receives each call
 */
export async function runTrial(
  subject: Subject,
  { until, plaintext }: TrialInput,
  onTried: (tried: Tried) => void,
): Promise<void> {
  const { key } = subject;
  const status = await call(subject, "status", requestOf("status", key), onTried);
  if (status.kind !== "reply" || until === "status") return;
  const { version } = status.reply as ReplyOf<"status">;
  const associatedData = await subject.associatedData(version);
  const encrypted = await call(
    subject,
    "encrypt",
    requestOf("encrypt", key, { version, plaintext, associatedData }),
    onTried,
  );
  if (encrypted.kind !== "reply" || until === "encrypt") return;
  const { ciphertext, annotations } = encrypted.reply as ReplyOf<"encrypt">;
  const request = requestOf("decrypt", key, { version, ciphertext, associatedData, annotations });
  await call(subject, "decrypt", request, onTried);
}

async function call(
  subject: Subject,
  rpc: TestedRpc,
  request: Uint8Array,
  onTried: (tried: Tried) => void,
): Promise<Outcome<TestedRpc>> {
  const begun = performance.now();
  const outcome = await subject.call(rpc, request);
  onTried({ rpc, outcome, request, ms: performance.now() - begun });
  return outcome;
}

/** @returns the lines of a recording for a call */
export function recordedLines({ rpc, request, outcome }: Tried): string[] {
  return callLines(rpc, request, outcome.output ?? new Uint8Array(), outcome.made);
}

/** A call of a recording, made again. */
export interface Replayed extends Tried {
  /** The differences from the recording; empty if there are none. */
  readonly differences: readonly string[];
}

/**
 * Makes the calls of a recording again, with the recorded answers.
 * @param gateFor makes the gate of a call, which reports requests that the recording does not have
 */
export async function replay(
  subject: Subject,
  { calls }: Recording,
  gateFor: (
    made: readonly Recording["calls"][number]["made"][number][],
    onUnknown: (operation: string) => void,
  ) => NonNullable<Parameters<Subject["call"]>[2]>["gate"],
  onReplayed: (replayed: Replayed) => void,
): Promise<void> {
  for (const { rpc, request, reply, made } of calls) {
    const differences: string[] = [];
    const gate = gateFor(made, (operation) =>
      differences.push(`it sent a request of ${operation} that the recording does not have`),
    );
    const begun = performance.now();
    const bytes = Buffer.from(request, "hex");
    const outcome = await subject.call(rpc, bytes, { gate });
    const ms = performance.now() - begun;
    differences.push(...differencesOf(outcome, { rpc, request, reply }, made.length));
    onReplayed({ rpc, request: bytes, outcome, ms, differences });
  }
}

function differencesOf(outcome: Outcome<TestedRpc>, { reply }: CallLine, hostCalls: number): string[] {
  const count = outcome.made.length;
  return [
    ...(count < hostCalls ? [`it made ${count} host calls, ${hostCalls} are recorded`] : []),
    ...(Buffer.from(outcome.output ?? []).toString("hex") === reply ? [] : ["its reply is another one"]),
  ];
}

/** @returns the RPC at which a trial ends */
export function lastRpc(word: string): TestedRpc | undefined {
  if (word === "all") return "decrypt";
  return TESTED.find((rpc) => rpc === word);
}
