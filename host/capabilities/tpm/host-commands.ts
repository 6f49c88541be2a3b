/** The commands that the host itself sends. */
import { CC } from "./commands.ts";
import { HEADER, Tag } from "./response.ts";

const STARTUP = 0x144;

/** Builds a command without sessions from u32 handles and parameters. */
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

/** TPM2_Startup(TPM_SU_CLEAR), whose parameter is a u16 of zero. */
export function startup(): Uint8Array {
  const bytes = command(STARTUP, 0).slice(0, HEADER + 2);
  new DataView(bytes.buffer).setUint32(2, bytes.length);
  return bytes;
}
