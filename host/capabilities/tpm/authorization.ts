/** Checks the sessions of a command: each is the password handle (TPM_RS_PW) or a session of the provider. */

import { type CommandContext, HT, type OwnedHandles, typeOf } from "./command-context.ts";
import { answered, denied } from "./command-refusal.ts";
import type { Command } from "./commands.ts";
import { Reader } from "./reader.ts";
import { Rc, rcOf, Tag } from "./response.ts";

const RS_PW = 0x40000009;

/**
 * TPMA_SESSION (Part 2, 8.4). The provider may set continueSession 01, decrypt 20 and encrypt 40. The others, 9e, are refused:
 * auditExclusive 02, auditReset 04 and audit 80 let one client lock out the commands of others; 18 is reserved.
 */
const CONTINUE_SESSION = 0x01;
const FORBIDDEN_ATTRIBUTES = 0x9e;

export interface Session {
  readonly handle: number;
  readonly continues: boolean;
}

/**
 * Reads the authorization area (Part 1, 18.7), which is present if the tag is TPM_ST_SESSIONS, and writes the TPM's session handles.
 * @param bytes the command as the provider sent it
 * @param reader at the end of the handle area; afterwards at the first parameter
 * @param view the copy of the command that is forwarded
 * @returns the sessions with the provider's handles
 * @throws CommandRefusal a missing, malformed or foreign session
 * @throws TooShort
 */
export function readSessions(
  bytes: Uint8Array,
  reader: Reader,
  view: DataView,
  command: Command,
  { owned }: CommandContext,
): Session[] {
  if (view.getUint16(0) === Tag.NO_SESSIONS) {
    if (command.auths > 0) throw answered(Rc.AUTH_MISSING);
    return [];
  }
  if (!command.sessions) throw answered(Rc.AUTH_CONTEXT);
  const size = reader.u32();
  if (size > reader.left) throw answered(Rc.AUTHSIZE);
  const end = reader.at + size;
  // A field of a session must not reach beyond the area into the parameters.
  const area = new Reader(bytes.subarray(0, end), reader.at);
  const sessions: Session[] = [];
  while (area.left > 0) {
    if (sessions.length === 3) throw answered(Rc.AUTHSIZE);
    sessions.push(readSession(area, view, sessions.length, owned));
  }
  if (sessions.length === 0) throw answered(Rc.AUTHSIZE);
  if (sessions.length < command.auths) throw answered(Rc.AUTH_MISSING);
  reader.raw(size);
  if (command.usesObject) assertAuthValue(command, sessions, owned);
  return sessions;
}

/**
 * Requires the object's authorization value even in a policy session (TPM2_PolicyAuthValue): an object that only a policy guards (PCRs,
 * say) may belong to another program.
 */
function assertAuthValue({ name }: Command, [first]: readonly Session[], owned: OwnedHandles): void {
  if (first === undefined || typeOf(first.handle) !== HT.POLICY_SESSION) return;
  if (owned.requiresAuthValue(first.handle)) return;
  throw denied(
    `${name}: its policy session does not require the object's authorization value; send TPM2_PolicyAuthValue before each use`,
  );
}

function readSession(area: Reader, view: DataView, place: number, owned: OwnedHandles): Session {
  const at = area.at;
  const handle = area.u32();
  area.sized(); // nonceCaller
  const attributes = area.u8();
  area.sized(); // hmac, or the password
  if ((attributes & FORBIDDEN_ATTRIBUTES) !== 0) throw answered(rcOf.sessionAttributes(place));
  if (handle === RS_PW) return { handle, continues: true };
  const type = typeOf(handle);
  if (type !== HT.HMAC_SESSION && type !== HT.POLICY_SESSION) throw answered(rcOf.sessionValue(place));
  const real = owned.real(handle);
  if (real === undefined) throw answered(Rc.REFERENCE_S0 + place);
  view.setUint32(at, real);
  return { handle, continues: (attributes & CONTINUE_SESSION) !== 0 };
}
