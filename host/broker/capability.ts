/**
 * What a capability is: one value with its name, its operations, how it is granted, what that grant reaches, and how it is opened.
 * registry.ts lists all of them, and nothing else enumerates capabilities. A capability's value loads nothing heavy: what performs its
 * plans is loaded by `open`, where a provider is granted it.
 */
import { type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import { type HostAnswer, type HostCall, HostCode, refusal } from "../host-call.ts";

/** The request message of each operation. */
export type Operations = Readonly<Record<string, DescMessage>>;

/** An operation that was decided on and is not performed yet. */
export interface Plan {
  /** The object of the operation, fit for a log: the name of a key, a command, a path. */
  readonly target: string;
  perform(): HostAnswer | Promise<HostAnswer>;
}

/**
 * Decides on one request of an operation, and has no effect.
 *
 * @param request the parsed message
 * @param call who asks, in which RPC; its signal is aborted when the call of the guest is over
 * @param grant what the configuration grants to this provider; undefined for a capability that is always granted
 * @returns a plan, or a refusal: HostCode.DENIED where it is a question of authority
 */
export type Decide<Request extends DescMessage, Grant> = {
  // A method, so that the gate can hold decisions on all kinds of grants: which grant it hands over is certain there.
  decide(request: MessageShape<Request>, call: HostCall, grant: Grant): Plan | HostAnswer;
}["decide"];

/** A capability that was opened: what the gate needs of it. */
export interface Opened<Requests extends Operations = Operations, Grant = unknown> {
  readonly requests: Requests;
  readonly decide: Decisions<Requests, Grant>;
  /** Gives back what it holds. Nothing is performed afterwards. */
  close?(): Promise<void>;
}

export type Decisions<Requests extends Operations, Grant> = {
  readonly [Name in keyof Requests]: Decide<Requests[Name], Grant>;
};

/** The refusal of what is a question of authority: it voids the guest's whole call. */
export function denied({ capability, operation, rpc }: HostCall, reason: string): HostAnswer {
  return refusal(HostCode.DENIED, `kleidi:${capability} ${operation} in ${rpc}: ${reason}`);
}

/**
 * Parses the request of a host call and decides on it.
 *
 * @param opened the capability; it has the operation
 * @param grant what the configuration grants to the provider; undefined for a capability that is always granted
 * @returns a plan, or a refusal; HostCode.INVALID where the request is not a valid message
 */
export function decideOn({ requests, decide }: Opened, call: HostCall, grant: unknown): Plan | HostAnswer {
  const { operation } = call;
  const schema = requests[operation];
  const operate = decide[operation];
  if (schema === undefined || operate === undefined)
    throw new TypeError(`there is no operation ${operation} of ${call.capability}`);
  let request: Message;
  try {
    request = fromBinary(schema, call.request);
  } catch {
    return refusal(HostCode.INVALID, `the request is not a valid ${schema.name}`);
  }
  return operate(request, call, grant);
}
