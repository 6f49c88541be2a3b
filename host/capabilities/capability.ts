/**
 * The type of a capability: one value with its name, its operations, its grant and the reach of that grant, its opening, and the checks of
 * `kleidi check` and `kleidi doctor`. registry.ts lists all capabilities; nothing else enumerates them. The value itself loads no large
 * modules: `open`, `check` and `examine` do, if a provider is granted the capability.
 */
import type { ChildProcess } from "node:child_process";
import { type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import type * as z from "zod";
import type { Finding } from "../finding.ts";
import { type HostAnswer, type HostCall, HostCode, refusal } from "../host-call.ts";
import type { Expiry } from "../lib/expiry.ts";
import type { Rule } from "../schema/rule.ts";

export interface Capability {
  /** The part of the import's namespace after "kleidi:", and the key under `grants`. */
  readonly name: string;
  readonly requests: Operations;
  /** Its host calls wait for a TPM or a KMS: their time is not the host's own. */
  readonly waits?: boolean;
  /** Absent: the capability carries no authority, and every provider has it. */
  readonly grant?: GrantForm;
  /** The schema of the capability's own section of the configuration, under its name. */
  readonly section?: z.ZodType;
  /** Rules that involve several keys of the configuration. */
  readonly rules?: readonly Rule[];
  /** Imports the modules that `open` imports otherwise: a host that starts calls it while it waits. */
  load?(): Promise<unknown>;
  /** Absent: the provider's process performs it. Opening has no effect on a KMS or a TPM. */
  open?(context: OpenContext): Opened | Promise<Opened>;
  /** The most descriptors that it holds at once for a grant, beside those of the provider's processes. */
  descriptors?(grant: unknown): number;
  /** The files, folders, devices and servers that a host with these grants uses, for `kleidi render`. */
  footprint?(context: GrantContext): Footprint;
  /** For `kleidi check`: checks what the grants name, without contacting a TPM or a server. */
  check?(context: GrantContext): Finding[] | Promise<Finding[]>;
  /** For `kleidi doctor`: contacts the TPM or the server. */
  examine?(context: ExamineContext): Promise<Examined[]>;
}

/** The resources of the machine that a host uses. Paths are absolute. */
export interface Footprint {
  /** Files that are read, and sockets that are connected to. */
  readonly reads?: readonly string[];
  /** Folders in which files are created. */
  readonly writes?: readonly string[];
  /** Device files that are opened for reading and writing. */
  readonly devices?: readonly string[];
  /** Names and IP addresses, without brackets, of the servers that are connected to. */
  readonly servers?: readonly string[];
}

/** The grant of a capability. `operations` are names in `requests`. */
export interface GrantForm {
  /** The schema of `grants.<name>` of a provider. */
  readonly schema: z.ZodType;
  /**
   * @param names the names of the provider's keys
   * @returns one line of YAML under `grants:` that grants these operations
   */
  line(names: readonly string[], operations: readonly string[]): string;
  /** The objects that a provider reaches with these operations, as the end of a sentence. */
  reach(grant: unknown, operations: readonly string[]): string;
  /** The YAML that the grant lacks for these operations; undefined if it lacks nothing. */
  missing?(grant: unknown, operations: readonly string[]): string | undefined;
}

export interface GrantContext<Grant = unknown, Section = unknown> {
  /** The grant of each provider that has one, by the provider's name. */
  readonly grants: ReadonlyMap<string, Grant>;
  /** The capability's own section of the configuration; undefined if there is none. */
  readonly section: Section | undefined;
  /** The version that the configuration pins, by the name of the key. */
  readonly pins: ReadonlyMap<string, string>;
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
  readonly startNative: StartNative;
}

/** The resources of the machine that the native code of a vendor may use. Paths are absolute. */
export interface NativeAccess {
  readonly reads: readonly string[];
  /** Folders whose files it may read, create and change. */
  readonly writes: readonly string[];
  readonly network: boolean;
}

/**
 * Starts Node behind the wall with a program that loads native code. Its descriptor 3 is the link to this process.
 * @param program its file; its folder is readable
 */
export type StartNative = (program: string, access: NativeAccess) => ChildProcess | Promise<ChildProcess>;

export interface OpenContext<Grant = unknown, Section = unknown> extends GrantContext<Grant, Section> {
  /** Log lines in one call of each provider, by the provider's name. */
  readonly linesPerCall: ReadonlyMap<string, number>;
  log(level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string): void;
  /** A guest wrote a line to kleidi:log. */
  onLine(provider: string, level: LogLevel, line: string): void;
  onCredential(event: CredentialEvent): void;
  /** Called when an end is known for the first time, and when it is read again. */
  onExpiry(expiry: Expiry): void;
  onCredentialUses(uses: CredentialUses): void;
  readonly startNative: StartNative;
}
export type LogLevel = "debug" | "info" | "warn" | "error";

/** An event of a credential, for the log, the audit log and the metrics. It contains no secret. */
export interface CredentialEvent {
  readonly provider: string;
  readonly event: "read" | "login" | "renewed" | "refused" | "failed";
  /** In milliseconds of Date.now(); absent if unknown. */
  readonly expires?: number | undefined;
  readonly why?: string | undefined;
}

/** The uses of a credential that are left. */
export interface CredentialUses {
  readonly provider: string;
  readonly kind: "token" | "secret-id";
  /** Undefined: not limited. */
  readonly left: number | undefined;
}

/** The findings about one TPM or server. */
export interface Examined {
  /** A provider that uses it: if all is well, doctor probes its keys next. */
  readonly provider?: string;
  readonly findings: readonly Finding[];
}

/** The request message of each operation. */
export type Operations = Readonly<Record<string, DescMessage>>;

/** An allowed operation that is not performed yet. */
export interface Plan {
  /** The object of the operation, fit for a log: the name of a key, a command, a path. */
  readonly target: string;
  perform(): HostAnswer | Promise<HostAnswer>;
}

/**
 * Decides on one request of an operation, and has no effect.
 *
 * @param request the parsed message
 * @param call the provider and the RPC; its signal is aborted when the call of the guest is over
 * @param grant the provider's grant; undefined for a capability that is always granted
 * @returns a plan, or a refusal: HostCode.DENIED if authority is missing
 */
export type Decide<Request extends DescMessage, Grant> = {
  // A method, so that the gate can hold decisions on all types of grants: the gate passes the matching grant.
  decide(request: MessageShape<Request>, call: HostCall, grant: Grant): Plan | HostAnswer;
}["decide"];

/** An opened capability, as the gate uses it. */
export interface Opened<Requests extends Operations = Operations, Grant = unknown> {
  readonly requests: Requests;
  readonly decide: Decisions<Requests, Grant>;
  /** Releases its resources. Nothing is performed afterwards. */
  close?(): Promise<void>;
}

export type Decisions<Requests extends Operations, Grant> = {
  readonly [Name in keyof Requests]: Decide<Requests[Name], Grant>;
};

/** A refusal for missing authority. It voids the guest's whole call. */
export function denied({ capability, operation, rpc }: HostCall, reason: string): HostAnswer {
  return refusal(HostCode.DENIED, `kleidi:${capability} ${operation} in ${rpc}: ${reason}`);
}

/**
 * Parses the request of a host call and decides on it.
 *
 * @param opened the capability; it has the operation
 * @param grant what the configuration grants to the provider; undefined for a capability that is always granted
 * @returns a plan, or a refusal; HostCode.INVALID if the request is not a valid message
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
