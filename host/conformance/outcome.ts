/** The outcome of one call of the guest under test: a checked reply, a failure, or the reason for which there is neither. */
import { type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import {
  DecryptReplySchema,
  EncryptReplySchema,
  type Failure,
  StatusReplySchema,
} from "../../proto/provider/v1/provider_pb.ts";
import { KleidiError } from "../error.ts";
import { causesOf } from "../finding.ts";
import type { Rpc } from "../host-call.ts";
import { checkDecryptReply, checkEncryptReply, checkStatusReply } from "../kms/check-reply.ts";
import type { GuestUsage } from "../sandbox/child.ts";
import type { MadeCall } from "./call-script.ts";

/** The RPCs that the kit calls. */
export const TESTED = ["status", "encrypt", "decrypt"] as const satisfies readonly Rpc[];
export type TestedRpc = (typeof TESTED)[number];

const REPLIES = { status: StatusReplySchema, encrypt: EncryptReplySchema, decrypt: DecryptReplySchema };
export type ReplyOf<Name extends TestedRpc> = MessageShape<(typeof REPLIES)[Name]>;

export type Ending<Name extends TestedRpc> =
  /** A reply that the host accepts. */
  | { readonly kind: "reply"; readonly reply: ReplyOf<Name> }
  | { readonly kind: "failure"; readonly code: number; readonly message: string }
  /** A host call was denied. */
  | { readonly kind: "void" }
  /** The guest trapped or returned nothing: "trap". The host refuses the reply: "invalid". The time or the process ended: "gone". */
  | { readonly kind: "trap" | "invalid" | "gone"; readonly why: string };

export type Outcome<Name extends TestedRpc> = Ending<Name> & {
  readonly made: readonly MadeCall[];
  /** The lines that the guest wrote to kleidi:log, each a LogWriteRequest. */
  readonly lines: readonly Uint8Array[];
  /** The output of the guest; absent if it gave none. */
  readonly output?: Uint8Array | undefined;
  readonly usage?: GuestUsage | undefined;
};

/** The greatest failure code (docs/ABI.md, section 4). */
const MAX_FAILURE = 5;
const MAX_MESSAGE = 512;

/** Reads a reply as the host does, and more strictly: unknown fields and unknown codes are refused. */
export function endingOf<Name extends TestedRpc>(rpc: Name, output: Uint8Array): Ending<Name> {
  const schema: DescMessage = REPLIES[rpc];
  let reply: Message & { failure?: Failure };
  try {
    reply = fromBinary(schema, output);
  } catch (error) {
    return { kind: "invalid", why: `the output is not a ${schema.name}: ${(error as Error).message}` };
  }
  if (reply.$unknown !== undefined) return { kind: "invalid", why: `the ${schema.name} has unknown fields` };
  if (reply.failure !== undefined) return failureEnding(reply.failure);
  try {
    check(rpc, reply);
  } catch (error) {
    return { kind: "invalid", why: (error as Error).message };
  }
  return { kind: "reply", reply: reply as ReplyOf<Name> };
}

function failureEnding({ code, message }: Failure): Ending<never> {
  if (code < 1 || code > MAX_FAILURE)
    return { kind: "invalid", why: `the failure has code ${code}, 1 to ${MAX_FAILURE} are defined` };
  return { kind: "failure", code, message: message.slice(0, MAX_MESSAGE) };
}

function check(rpc: TestedRpc, reply: Message): void {
  // the plaintext in a reply is searched for by a property of its own
  if (rpc === "status") checkStatusReply("it", reply as ReplyOf<"status">);
  else if (rpc === "encrypt") checkEncryptReply("it", new Uint8Array(), reply as ReplyOf<"encrypt">);
  else checkDecryptReply("it", (reply as ReplyOf<"decrypt">).plaintext);
}

/** Reads the error of a call that has no output. */
export function endingOfError(error: unknown): Ending<never> {
  if (!(error instanceof KleidiError)) throw error;
  const why = [error.message, ...causesOf(error)].join(": ");
  if (error.code === "capability-denied") return { kind: "void" };
  return { kind: error.code === "provider-fault" ? "trap" : "gone", why };
}

/** An outcome as the end of a sentence: "it gave …". */
export function outcomeText(outcome: Ending<TestedRpc>): string {
  if (outcome.kind === "reply") return "a good reply";
  if (outcome.kind === "failure") return `failure ${outcome.code} ("${outcome.message}")`;
  if (outcome.kind === "void") return "a denied host call";
  return `no valid reply (${outcome.why})`;
}
