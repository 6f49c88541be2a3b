/** The sessions of a command: each is the empty handle of passwords, or the provider's own. */
import type { Command } from "./commands.ts";
import { type Ground, HT, type Owned, typeOf } from "./ground.ts";
import { Reader } from "./reader.ts";
import { answered, denied } from "./refused.ts";
import { Rc, rcOf, Tag } from "./response.ts";

const RS_PW = 0x40000009;

/**
 * TPMA_SESSION (Part 2, 8.4): continueSession 01, decrypt 20 and encrypt 40 are the provider's to choose. Refused are 9e: auditExclusive
 * 02, auditReset 04 and audit 80, which let one client lock out others' commands, and what is reserved, 18.
 */
const CONTINUE_SESSION = 0x01;
const FORBIDDEN_ATTRIBUTES = 0x9e;

export interface Session {
  readonly handle: number;
  readonly goesOn: boolean;
}

/** The authorization area (Part 1, 18.7), which is there if the tag says so. */
export function readSessions(
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
  if (command.usesObject) assertAuthValue(command, sessions, owned);
  return sessions;
}

/**
 * What only a policy guards (PCRs, say) was made by another program, or may have been: who uses an object gives its authorization
 * value too, in a policy by PolicyAuthValue.
 */
function assertAuthValue({ name }: Command, [first]: readonly Session[], owned: Owned): void {
  if (first === undefined || typeOf(first.handle) !== HT.POLICY_SESSION) return;
  if (owned.statesAuthValue(first.handle)) return;
  throw denied(
    `${name}: its policy session does not state the object's authorization value; send TPM2_PolicyAuthValue before each use`,
  );
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
