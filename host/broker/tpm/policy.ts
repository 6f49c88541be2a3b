/**
 * Decides on one TPM command: reads its header, handles and authorizations, compares them with the grant and with what the provider
 * owns, and puts the TPM's own handles in the place of the provider's. Pure. What it cannot read it does not let through.
 *
 * The three ends (docs/ABI.md, kleidi:tpm): forwarded; denied, where the grant does not allow it; answered as a resource manager
 * would, where it is malformed, names what is not the provider's, or goes over a quota.
 */
import type { Rpc } from "../../host-call.ts";
import { CC, COMMANDS, type Command, type HandleRule } from "./commands.ts";
import { Reader, Short } from "./reader.ts";
import { HEADER, MAX_SIZE, managerAnswer, Rc, rcOf, Tag } from "./response.ts";
import { isCreatable } from "./template.ts";

export interface TpmGrant {
  /** Names of hierarchies under which primaries may be made. */
  readonly hierarchies: readonly string[];
  /** Persistent objects that may be used as parents. */
  readonly persistent: readonly number[];
  /** SHA-256, in hex, of public templates of primaries. */
  readonly templates: readonly string[];
}

/** What a provider has in the TPM, under its own numbers. */
export interface Owned {
  /** The TPM's handle of a provider's handle that is its own. */
  real(handle: number): number | undefined;
  readonly objects: number;
  readonly sessions: number;
}

export interface Ground {
  readonly rpc: Rpc;
  readonly grant: TpmGrant;
  readonly owned: Owned;
  readonly sha256: (bytes: Uint8Array) => string;
}

/** What the response will mean for what the provider owns. All handles are the provider's own numbers. */
export interface After {
  /** A success has a handle of this kind in its response. */
  readonly creates: "object" | "session" | undefined;
  /** A success ends these. */
  readonly ends: readonly number[];
  /** As they stand in the command, so that an error that names a place can be understood. */
  readonly handles: readonly number[];
  readonly sessions: readonly number[];
}

export type TpmDecision =
  | { readonly forward: Uint8Array; readonly name: string; readonly after: After }
  | { readonly denied: string; readonly name: string }
  | { readonly answer: Uint8Array; readonly name: string };

export const QUOTA = { objects: 3, sessions: 2 } as const;
export const MAX_RANDOM = 64;

export const HIERARCHIES: Readonly<Record<string, number>> = {
  owner: 0x40000001,
  endorsement: 0x4000000b,
  platform: 0x4000000c,
};
const RH_NULL = 0x40000007;
const RS_PW = 0x40000009;

/** The first byte of a handle is its type (Part 2, 7.2). */
const HT = { HMAC_SESSION: 0x02, POLICY_SESSION: 0x03, TRANSIENT: 0x80, PERSISTENT: 0x81 } as const;
const typeOf = (handle: number) => handle >>> 24;

/**
 * TPMA_SESSION (Part 2, 8.4): continueSession 01, decrypt 20 and encrypt 40 are the provider's to choose. Refused are 9e: auditExclusive
 * 02, auditReset 04 and audit 80, which let one client lock out others' commands, and what is reserved, 18.
 */
const CONTINUE_SESSION = 0x01;
const FORBIDDEN_ATTRIBUTES = 0x9e;

/** TPM_CAP that say nothing of other users: never HANDLES, which lists everybody's. */
const CAPABILITIES: ReadonlyMap<number, string> = new Map([
  [0, "ALGS"],
  [2, "COMMANDS"],
  [5, "PCRS"],
  [6, "TPM_PROPERTIES"],
  [8, "ECC_CURVES"],
]);

const SE = { HMAC: 0, POLICY: 1, TRIAL: 3 } as const;

/** Thrown inside of this file only: how a command is told from one that may go on. */
class Refused {
  readonly how: { readonly denied: string } | { readonly answer: Uint8Array };

  constructor(how: Refused["how"]) {
    this.how = how;
  }
}

const denied = (reason: string) => new Refused({ denied: reason });
const answered = (rc: number) => new Refused({ answer: managerAnswer(rc) });

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
  return {
    forward,
    after: {
      creates: command.creates,
      ends: flushed === undefined ? ended : [...ended, flushed],
      handles,
      sessions: sessions.map(({ handle }) => handle),
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

interface Session {
  readonly handle: number;
  readonly goesOn: boolean;
}

/** The authorization area (Part 1, 18.7), which is there if the tag says so. */
function readSessions(
  bytes: Uint8Array,
  reader: Reader,
  view: DataView,
  command: Command,
  { owned }: Ground,
): Session[] {
  if (view.getUint16(0) === Tag.NO_SESSIONS) {
    if (command.auths > 0) throw answered(Rc.AUTH_MISSING);
    return [];
  }
  if (!command.sessions) throw answered(Rc.AUTH_CONTEXT);
  const size = reader.u32();
  if (size > reader.left) throw answered(Rc.AUTHSIZE);
  const end = reader.at + size;
  // Its fields must not reach beyond it, into what would be read as parameters.
  const area = new Reader(bytes.subarray(0, end), reader.at);
  const sessions: Session[] = [];
  while (area.left > 0) {
    if (sessions.length === 3) throw answered(Rc.AUTHSIZE);
    sessions.push(readSession(area, view, sessions.length, owned));
  }
  if (sessions.length === 0) throw answered(Rc.AUTHSIZE);
  if (sessions.length < command.auths) throw answered(Rc.AUTH_MISSING);
  reader.raw(size);
  return sessions;
}

function readSession(area: Reader, view: DataView, place: number, owned: Owned): Session {
  const at = area.at;
  const handle = area.u32();
  area.sized(); // nonceCaller
  const attributes = area.u8();
  area.sized(); // hmac, or the password
  if ((attributes & FORBIDDEN_ATTRIBUTES) !== 0) throw answered(rcOf.sessionAttributes(place));
  if (handle === RS_PW) return { handle, goesOn: true };
  const type = typeOf(handle);
  if (type !== HT.HMAC_SESSION && type !== HT.POLICY_SESSION) throw answered(rcOf.sessionValue(place));
  const real = owned.real(handle);
  if (real === undefined) throw answered(Rc.REFERENCE_S0 + place);
  view.setUint32(at, real);
  return { handle, goesOn: (attributes & CONTINUE_SESSION) !== 0 };
}

/** What stands behind handles and authorizations, where the host has a say in it. Gives the handle that the command flushes. */
function checkParameters(
  reader: Reader,
  view: DataView,
  { code, name }: Command,
  ground: Ground,
): number | undefined {
  switch (code) {
    case CC.CreatePrimary: {
      reader.sized(); // inSensitive, possibly encrypted; the template, which is no first parameter, never is
      if (ground.grant.templates.includes(ground.sha256(reader.sized()))) return undefined;
      throw denied(`${name}: the SHA-256 of the public template is not one of those granted`);
    }
    case CC.Create:
      reader.sized(); // inSensitive
      if (isCreatable(reader.sized())) return undefined;
      throw denied(
        `${name}: the template is neither of a key for HMAC-SHA256 nor of sealed data that stay in this TPM`,
      );
    case CC.StartAuthSession:
      checkSessionType(reader, ground.rpc);
      return undefined;
    case CC.GetCapability: {
      const capability = reader.u32();
      if (CAPABILITIES.has(capability)) return undefined;
      throw denied(
        `${name}: the capability ${capability} is none of ${[...CAPABILITIES.values()].join(", ")}`,
      );
    }
    case CC.GetRandom:
      if (reader.u16() > MAX_RANDOM) throw answered(rcOf.parameterValue(0));
      return undefined;
    case CC.FlushContext: {
      const at = reader.at;
      const handle = reader.u32();
      const real = ground.owned.real(handle);
      if (real === undefined) throw answered(rcOf.parameterValue(0));
      view.setUint32(at, real);
      return handle;
    }
    default:
      return undefined;
  }
}

function checkSessionType(reader: Reader, rpc: Rpc): void {
  reader.sized(); // nonceCaller
  reader.sized(); // encryptedSalt
  const type = reader.u8();
  if (type === SE.TRIAL && rpc !== "provision") {
    throw denied('a trial session is for making keys, with "kleidi key init", only');
  }
  if (type !== SE.HMAC && type !== SE.POLICY && type !== SE.TRIAL) throw answered(rcOf.parameterValue(2));
}

function hex(handle: number): string {
  return `0x${handle.toString(16).padStart(8, "0")}`;
}
