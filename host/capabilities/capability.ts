/**
 * The type of a capability: one value with its name, its operations, how it is granted, what the grant reaches, how it is opened and what
 * `kleidi check` and `kleidi doctor` look at. registry.ts lists all capabilities; nothing else enumerates them. The value itself loads
 * nothing heavy: `open` and `examine` do, where a provider is granted the capability.
 */
import { type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import type { z } from "zod";
import type { Finding } from "../finding.ts";
import { type HostAnswer, type HostCall, HostCode, refusal } from "../host-call.ts";
import type { Rule } from "../schema/rule.ts";

export interface Capability {
  /** The part of the import's namespace after "kleidi:", and the key under `grants`. */
  readonly name: string;
  readonly requests: Operations;
  /** Host calls of it wait for a TPM or a KMS: their time is not the host's own. */
  readonly waits?: boolean;
  /** Absent: there is no authority in it, and every provider has it. */
  readonly grant?: GrantForm;
  /** The schema of the capability's own section of the configuration, under its name. */
  readonly section?: z.ZodType;
  /** What crosses keys of the configuration. */
  readonly rules?: readonly Rule[];
  /** Absent: it is computed in the provider's process. Has no effect on a KMS or a TPM before the first host call. */
  open?(context: OpenContext): Opened | Promise<Opened>;
  /** Open files beside those of the provider's processes, at most at once. */
  descriptors?(grant: unknown): number;
  /** For `kleidi check`: what the grants name, looked at without asking a TPM or a server. */
  check?(context: GrantContext): Finding[];
  /** For `kleidi doctor`: asks the TPM or the server. */
  examine?(context: ExamineContext): Promise<Examined[]>;
}

/** How a capability is granted. A name of a method's `operations` is one of `requests`. */
export interface GrantForm {
  /** Of what stands under `grants.<name>` of a provider. */
  readonly schema: z.ZodType;
  /**
   * @param names of the provider's keys
   * @returns one line of YAML under `grants:` that grants these operations
   */
  line(names: readonly string[], operations: readonly string[]): string;
  /** What a provider reaches by these operations, as the end of a sentence. */
  reach(grant: unknown, operations: readonly string[]): string;
  /** What the grant has to have for these operations and does not, as YAML; undefined: nothing. */
  missing?(grant: unknown, operations: readonly string[]): string | undefined;
}

export interface GrantContext<Grant = unknown, Section = unknown> {
  /** The grant of each provider that has one, by the provider's name. */
  readonly grants: ReadonlyMap<string, Grant>;
  /** The capability's own section of the configuration; undefined where there is none. */
  readonly section: Section | undefined;
}

/** Features that a provider needs of the TPM or the server, as its manifest lists them (docs/ABI.md, section 6). */
export interface Need {
  /** In the words of the capability; alternatives are joined by " or ". The provider needs all of them. */
  readonly features: readonly string[];
  /** The provider works without them, with less. */
  readonly optional?: boolean;
  /** Completes "needed for". */
  readonly why: string;
}

export interface ExamineContext<Grant = unknown, Section = unknown> extends GrantContext<Grant, Section> {
  /** The needs of each provider that has a grant, by the provider's name. */
  readonly needs: ReadonlyMap<string, readonly Need[]>;
}

export interface OpenContext<Grant = unknown, Section = unknown> extends GrantContext<Grant, Section> {
  /** Log lines in one call of each provider, by the provider's name. */
  readonly linesPerCall: ReadonlyMap<string, number>;
  log(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void;
  onCredential(event: CredentialEvent): void;
}
export type LogLevel = "debug" | "info" | "warn" | "error";

/** An event in the life of a credential, for the log, the audit log and the metrics. It has no secret in it. */
export interface CredentialEvent {
  readonly provider: string;
  readonly event: "read" | "login" | "renewed" | "refused" | "failed";
  /** In milliseconds of Date.now(); absent where nothing is known of it. */
  readonly expires?: number | undefined;
  readonly why?: string | undefined;
}

/** What doctor found of one TPM or server. */
export interface Examined {
  /** Only this provider uses it: where all is well, its keys are asked through it next. */
  readonly provider?: string;
  readonly findings: readonly Finding[];
}

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
