/**
 * Decides on one TPM command: reads its header, handles and authorizations, compares them with the grant and with what the provider
 * owns, and puts the TPM's own handles in the place of the provider's. Pure. What it cannot read it does not let through.
 *
 * The three ends (docs/ABI.md, kleidi:tpm): forwarded; denied, where the grant does not allow it; answered as a resource manager
 * would, where it is malformed, names what is not the provider's, or goes over a quota.
 */
import { readSessions } from "./authorization.ts";
import { CC, COMMANDS, type Command, type HandleRule } from "./commands.ts";
import { type Ground, HT, typeOf } from "./ground.ts";
import { checkParameters } from "./parameters.ts";
import { Reader, Short } from "./reader.ts";
import { answered, denied, Refused } from "./refused.ts";
import { HEADER, MAX_SIZE, managerAnswer, Rc, rcOf, Tag } from "./response.ts";

export type { Ground, Owned, TpmGrant } from "./ground.ts";

/** What the response will mean for what the provider owns. All handles are the provider's own numbers. */
export interface After {
  /** A success has a handle of this kind in its response. */
  readonly creates: "object" | "session" | undefined;
  /** A success ends these. */
  readonly ends: readonly number[];
  /** As they stand in the command, so that an error that names a place can be understood. */
  readonly handles: readonly number[];
  readonly sessions: readonly number[];
  /** A success has this policy session state the authorization value. */
  readonly states: number | undefined;
  /** A success leaves these policy sessions without what they stated: it was used up, or is begun again. */
  readonly unstates: readonly number[];
}

export type TpmDecision =
  | { readonly forward: Uint8Array; readonly name: string; readonly after: After }
  | { readonly denied: string; readonly name: string }
  | { readonly answer: Uint8Array; readonly name: string };

export const QUOTA = { objects: 3, sessions: 2 } as const;

export const HIERARCHIES: Readonly<Record<string, number>> = {
  owner: 0x40000001,
  endorsement: 0x4000000b,
  platform: 0x4000000c,
};
const RH_NULL = 0x40000007;

/** @param bytes what the provider sent; they are not changed */
export function decideCommand(bytes: Uint8Array, ground: Ground): TpmDecision {
  let name = "a command that cannot be read";
  try {
    const code = headerOf(bytes);
    const command = COMMANDS.get(code);
    name = command?.name ?? `command 0x${code.toString(16)}`;
    if (command === undefined) throw denied(`${name} is not one of the commands that a provider may send`);
    if (command.provisioningOnly && ground.rpc !== "provision") {
      throw denied(`${name} is for making keys, with "kleidi key init", only`);
    }
    if (code === CC.Unseal && !ground.grant.unseal) {
      throw denied(`${name} gives sealed data out of the TPM; to grant it, write under tpm: unseal: true`);
    }
    return { name, ...readCommand(bytes, command, ground) };
  } catch (error) {
    if (error instanceof Refused) return { name, ...error.how };
    if (error instanceof Short) return { name, answer: managerAnswer(rcOf.insufficient()) };
    throw error;
  }
}

/** Gives the command code. */
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
  ground: Ground,
): { forward: Uint8Array; after: After } {
  const forward = Uint8Array.from(bytes);
  const view = new DataView(forward.buffer);
  const reader = new Reader(bytes, HEADER);
  const handles = command.handles.map((rule, place) => {
    const at = reader.at;
    const handle = reader.u32();
    view.setUint32(at, realHandle(handle, rule, place, ground));
    return handle;
  });
  const sessions = readSessions(bytes, reader, view, command, ground);
  const flushed = checkParameters(reader, view, command, ground);
  if (command.creates === "object" && ground.owned.objects >= QUOTA.objects) throw answered(Rc.OBJECT_MEMORY);
  if (command.creates === "session" && ground.owned.sessions >= QUOTA.sessions)
    throw answered(Rc.SESSION_MEMORY);
  const ended = sessions.flatMap(({ handle, goesOn }) => (goesOn ? [] : [handle]));
  const [subject] = handles;
  return {
    forward,
    after: {
      creates: command.creates,
      ends: flushed === undefined ? ended : [...ended, flushed],
      handles,
      sessions: sessions.map(({ handle }) => handle),
      states: command.code === CC.PolicyAuthValue ? subject : undefined,
      unstates: command.code === CC.PolicyRestart ? handles : sessions.map(({ handle }) => handle),
    },
  };
}

function realHandle(handle: number, rule: HandleRule, place: number, { owned, grant }: Ground): number {
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
    throw denied(`the persistent object ${hex(handle)} is not granted`);
  }
  if (type === typeOf(RH_NULL)) throw denied(`the permanent handle ${hex(handle)} is not granted here`);
  throw answered(rcOf.handleValue(place));
}

function hex(handle: number): string {
  return `0x${handle.toString(16).padStart(8, "0")}`;
}
