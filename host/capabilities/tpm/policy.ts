/**
 * Decides on one TPM command: parses its header, handles and authorizations, checks them against the grant and the provider's own
 * handles, and replaces the provider's handles by the TPM's. Pure. A command that it cannot parse is not forwarded.
 *
 * The three outcomes (docs/ABI.md, kleidi:tpm): forwarded; denied, if the grant does not allow the command; answered as a resource
 * manager would, if the command is malformed, names a handle that is not the provider's, or exceeds a quota.
 */
import { readSessions } from "./authorization.ts";
import { type CommandContext, HT, typeOf } from "./command-context.ts";
import { answered, CommandRefusal, denied } from "./command-refusal.ts";
import { CC, COMMANDS, type Command, type HandleRule } from "./commands.ts";
import { checkParameters } from "./parameters.ts";
import { Reader, TooShort } from "./reader.ts";
import { HEADER, MAX_SIZE, managerAnswer, Rc, rcOf, Tag } from "./response.ts";

export type { CommandContext, OwnedHandles, TpmGrant } from "./command-context.ts";

/** The effects of a command on the provider's handles and sessions. All handles are the provider's own numbers. */
export interface CommandEffects {
  /** On success, the response has a handle of this kind. */
  readonly creates: "object" | "session" | undefined;
  /** Handles that a success removes from the TPM. */
  readonly ends: readonly number[];
  /** In the order of the command: a response code names a handle or session by its position. */
  readonly handles: readonly number[];
  readonly sessions: readonly number[];
  /** On success, this policy session requires the object's authorization value. */
  readonly bindsAuthValue: number | undefined;
  /** On success, the policies of these sessions start again: they were used, or restarted by the command. */
  readonly restartsPolicy: readonly number[];
}

export type TpmDecision =
  | { readonly forward: Uint8Array; readonly name: string; readonly effects: CommandEffects }
  | { readonly denied: string; readonly name: string }
  | { readonly answer: Uint8Array; readonly name: string };

export const QUOTA = { objects: 3, sessions: 2 } as const;

export const HIERARCHIES: Readonly<Record<string, number>> = {
  owner: 0x40000001,
  endorsement: 0x4000000b,
  platform: 0x4000000c,
};
const RH_NULL = 0x40000007;

/**
 * Decides on one command.
 * @param bytes the command as the provider sent it; not changed
 * @returns the command to forward, the reason of a denial, or the response to give in the TPM's place
 */
export function decideCommand(bytes: Uint8Array, context: CommandContext): TpmDecision {
  let name = "an unreadable command";
  try {
    const code = headerOf(bytes);
    const command = COMMANDS.get(code);
    name = command?.name ?? `command 0x${code.toString(16)}`;
    if (command === undefined) throw denied(`${name} is not one of the commands that a provider may send`);
    if (command.provisioningOnly && context.rpc !== "provision") {
      throw denied(`${name} is allowed only during "kleidi key init"`);
    }
    if (code === CC.Unseal && !context.grant.unseal) {
      throw denied(`${name} releases sealed data from the TPM; to grant it, write under tpm: unseal: true`);
    }
    return { name, ...readCommand(bytes, command, context) };
  } catch (error) {
    if (error instanceof CommandRefusal) return { name, ...error.how };
    if (error instanceof TooShort) return { name, answer: managerAnswer(rcOf.insufficient()) };
    throw error;
  }
}

/** Checks the header. @returns the command code */
function headerOf(bytes: Uint8Array): number {
  if (bytes.length < HEADER || bytes.length > MAX_SIZE) throw answered(Rc.COMMAND_SIZE);
  const reader = new Reader(bytes);
  const tag = reader.u16();
  if (tag !== Tag.NO_SESSIONS && tag !== Tag.SESSIONS) throw answered(Rc.BAD_TAG);
  if (reader.u32() !== bytes.length) throw answered(Rc.COMMAND_SIZE);
  return reader.u32();
}

function readCommand(
  bytes: Uint8Array,
  command: Command,
  context: CommandContext,
): { forward: Uint8Array; effects: CommandEffects } {
  const forward = Uint8Array.from(bytes);
  const view = new DataView(forward.buffer);
  const reader = new Reader(bytes, HEADER);
  const handles = command.handles.map((rule, place) => {
    const at = reader.at;
    const handle = reader.u32();
    view.setUint32(at, realHandle(handle, rule, place, context));
    return handle;
  });
  const sessions = readSessions(bytes, reader, view, command, context);
  const flushed = checkParameters(reader, view, command, context);
  if (command.creates === "object" && context.owned.objects >= QUOTA.objects)
    throw answered(Rc.OBJECT_MEMORY);
  if (command.creates === "session" && context.owned.sessions >= QUOTA.sessions)
    throw answered(Rc.SESSION_MEMORY);
  const ended = sessions.flatMap(({ handle, continues }) => (continues ? [] : [handle]));
  const [subject] = handles;
  return {
    forward,
    effects: {
      creates: command.creates,
      ends: flushed === undefined ? ended : [...ended, flushed],
      handles,
      sessions: sessions.map(({ handle }) => handle),
      bindsAuthValue: command.code === CC.PolicyAuthValue ? subject : undefined,
      restartsPolicy: command.code === CC.PolicyRestart ? handles : sessions.map(({ handle }) => handle),
    },
  };
}

function realHandle(
  handle: number,
  rule: HandleRule,
  place: number,
  { owned, grant }: CommandContext,
): number {
  if (rule === "hierarchy") {
    if (handle === RH_NULL || grant.hierarchies.some((name) => HIERARCHIES[name] === handle)) return handle;
    throw denied(`the hierarchy ${hex(handle)} is not one of those granted: ${grant.hierarchies.join(", ")}`);
  }
  const type = typeOf(handle);
  const wanted = rule === "policy session" ? HT.POLICY_SESSION : HT.TRANSIENT;
  if (type === wanted) {
    const real = owned.real(handle);
    if (real === undefined) throw answered(Rc.REFERENCE_H0 + place);
    return real;
  }
  if (rule === "key or null" && handle === RH_NULL) return handle;
  if (type === HT.PERSISTENT && (rule === "parent" || rule === "key or null")) {
    if (grant.persistent.includes(handle)) return handle;
    throw denied(
      `the persistent object ${hex(handle)} is not granted; to grant it, write under tpm: persistent: ["${hex(handle)}"]`,
    );
  }
  if (type === typeOf(RH_NULL)) throw denied(`the permanent handle ${hex(handle)} is not granted here`);
  throw answered(rcOf.handleValue(place));
}

function hex(handle: number): string {
  return `0x${handle.toString(16).padStart(8, "0")}`;
}
