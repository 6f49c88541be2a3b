/** Lists the objects and sessions that are loaded in a TPM (TPM_CAP_HANDLES). */
import { ask, readPage, type TpmList } from "./capabilities.ts";
import { HT, typeOf } from "./command-context.ts";
import { codeOf } from "./response.ts";
import { TransportError } from "./transport-error.ts";

/** The first handle of each range: objects, loaded sessions, and sessions whose context was saved (TPM 2.0 Part 2, 7.2). */
export const FLUSHABLE: readonly number[] = [0x80000000, 0x02000000, 0x03000000];

/** No TPM has more slots. */
const MOST = 64;

const from = (first: number): TpmList<number> => ({
  ...{ code: 1, name: "HANDLES", first, count: MOST },
  read: (reader) => reader.u32(),
});

/** @param first the first handle of a range */
export const listHandles = (first: number) => ask(from(first), first);

/**
 * @param first the first handle of the requested range
 * @returns an empty list if the TPM answered with an error code: the next command reports that error
 * @throws TransportError the bytes are not a valid response to that request
 */
export function handlesListed(first: number, response: Uint8Array): readonly number[] {
  if (codeOf(response) !== 0) return [];
  const { entries } = readPage(from(first), first, response);
  const other = entries.find((handle) => !fits(first, handle));
  if (other === undefined) return entries;
  throw new TransportError(
    `GetCapability(HANDLES) from 0x${first.toString(16)} lists the handle 0x${other.toString(16)}`,
  );
}

/** True if a handle belongs to the range. The ranges of sessions hold both types of sessions. */
function fits(first: number, handle: number): boolean {
  const type = typeOf(handle);
  if (typeOf(first) === HT.TRANSIENT) return type === HT.TRANSIENT;
  return type === HT.HMAC_SESSION || type === HT.POLICY_SESSION;
}
