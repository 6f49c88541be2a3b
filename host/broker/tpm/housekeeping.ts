/** The commands that the host sends by itself, and the answers that it reads. */
import { CC } from "./commands.ts";
import { Reader } from "./reader.ts";
import { HEADER, Tag } from "./response.ts";

const STARTUP = 0x144;
const CAP_HANDLES = 1;

/** A command without sessions, of these u32 parameters and handles. */
export function command(code: number, ...words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(HEADER + 4 * words.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Tag.NO_SESSIONS);
  view.setUint32(2, bytes.length);
  view.setUint32(6, code);
  for (const [i, word] of words.entries()) view.setUint32(HEADER + 4 * i, word);
  return bytes;
}

export const getCapability = (capability: number, first: number, count: number) =>
  command(CC.GetCapability, capability, first, count);

export const flushContext = (handle: number) => command(CC.FlushContext, handle);

/** TPM_SU_CLEAR, which is a u16 of zero. */
export function startup(): Uint8Array {
  const bytes = command(STARTUP, 0).slice(0, HEADER + 2);
  new DataView(bytes.buffer).setUint32(2, bytes.length);
  return bytes;
}

/** Objects, loaded sessions, and sessions whose context was saved (TPM 2.0 Part 2, 7.2). */
export const FLUSHABLE: readonly number[] = [0x80000000, 0x02000000, 0x03000000];

/** @param first the range's first handle */
export const listHandles = (first: number) => getCapability(CAP_HANDLES, first, 64);

/** TPMS_CAPABILITY_DATA with TPML_HANDLE; none if the TPM gave an error. */
export function handlesListed(response: Uint8Array): number[] {
  const reader = new Reader(response, 6);
  if (reader.u32() !== 0) return [];
  reader.u8(); // moreData: there are no more slots than fit
  reader.u32();
  const count = reader.u32();
  return Array.from({ length: Math.min(count, 64) }, () => reader.u32());
}
