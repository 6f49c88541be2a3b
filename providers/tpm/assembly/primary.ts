/**
 * The storage primary: an ECC P-256 key of the shape that TCG calls H-2, with a unique of size zero, derived again from the owner
 * hierarchy's seed each time. The same TPM always derives the same key, and another TPM never does, so its Name is pinned.
 */
import { concat, FailureCode, same } from "../../../sdk/assemblyscript/assembly";
import { exchange, SESSIONS } from "./exchange";
import { In, Out } from "./marshal";
import { sha256 } from "./primitives";
import { trouble } from "./trouble";

const CREATE_PRIMARY: u32 = 0x131;
export const RH_OWNER: u32 = 0x40000001;
const RS_PW: u32 = 0x40000009;
const ACTION = "create the storage primary";

/** fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, restricted, decrypt. */
const ATTRIBUTES: u32 = 0x00030472;

export class Primary {
  handle: u32 = 0;
  name: Uint8Array = new Uint8Array(0);
  /** As the TPM wrote them: KDFe hashes these bytes of x. */
  x: Uint8Array = new Uint8Array(0);
  y: Uint8Array = new Uint8Array(0);

  /** The uncompressed point. A TPM may omit leading zeros. */
  point(): Uint8Array {
    const point = new Uint8Array(65);
    point[0] = 4;
    if (this.x.length <= 32) point.set(this.x, 33 - this.x.length);
    if (this.y.length <= 32) point.set(this.y, 65 - this.y.length);
    return point;
  }
}

export function createPrimary(): Primary | null {
  const empty = new Uint8Array(0);
  const body = new Out().u32(RH_OWNER);
  // The owner hierarchy's password is empty.
  body.u32(9).u32(RS_PW).u16(0).u8(0).u16(0);
  // No auth value, no data; the template; no outside information, no PCRs in the creation data.
  body.u16(4).u32(0).sized(new Out().raw(template()).sized(empty).sized(empty).finish()).u16(0).u32(0);
  const response = exchange(SESSIONS, CREATE_PRIMARY, body.finish(), ACTION);
  if (response === null) return null;
  const primary = new Primary();
  primary.handle = response.u32();
  const parameters = new In(response.raw(response.u32()));
  const area = parameters.sized();
  skipCreation(parameters);
  // Computed here instead of trusting the response: the record pins it.
  primary.name = nameOf(area);
  const named = same(parameters.sized(), primary.name);
  // The password's part of the response: no nonce, attributes, no code.
  const last = response.u16() === 0 && response.u8() <= 1 && response.u16() === 0;
  if (!named || !last || !parameters.intact || !response.intact || !readPoint(primary, area)) {
    trouble(FailureCode.FAULT, `Cannot ${ACTION}: the TPM's response is not the requested key`);
    return null;
  }
  return primary;
}

/** Skips the creation data, its hash and its ticket: the Name suffices. */
function skipCreation(parameters: In): void {
  parameters.sized();
  parameters.sized();
  parameters.u16();
  parameters.u32();
  parameters.sized();
}

/** The Name of an object: its hash algorithm, then the hash of its public area (Part 1, clause 16). */
export function nameOf(area: Uint8Array): Uint8Array {
  return concat(new Out().u16(0x000b).finish(), sha256(area));
}

/** TPMT_PUBLIC without the unique: ECC, SHA-256, no policy, AES-128-CFB, no scheme, P-256, no KDF. */
function template(): Uint8Array {
  const area = new Out().u16(0x0023).u16(0x000b).u32(ATTRIBUTES).u16(0);
  return area.u16(0x0006).u16(128).u16(0x0043).u16(0x0010).u16(0x0003).u16(0x0010).finish();
}

/** Reads the point of a public area; false if the area is not of the template. */
export function readPoint(primary: Primary, area: Uint8Array): bool {
  const expected = template();
  const reader = new In(area);
  if (!same(reader.raw(expected.length), expected)) return false;
  primary.x = reader.sized();
  primary.y = reader.sized();
  return reader.intact;
}
