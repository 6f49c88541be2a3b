/** What is loaded in a TPM, as it lists it (TPM_CAP_HANDLES). */
import { ask, type Capability, readPage } from "./capabilities.ts";
import { HT, typeOf } from "./ground.ts";
import { codeOf } from "./response.ts";
import { TransportError } from "./transport-error.ts";

/** Objects, loaded sessions, and sessions whose context was saved (TPM 2.0 Part 2, 7.2): the first handle of each range. */
export const FLUSHABLE: readonly number[] = [0x80000000, 0x02000000, 0x03000000];

/** There are no more slots than this. */
const MOST = 64;

const from = (first: number): Capability<number> => ({
  ...{ code: 1, name: "HANDLES", first, count: MOST },
  read: (reader) => reader.u32(),
});

/** @param first the first handle of a range */
export const listHandles = (first: number) => ask(from(first), first);

/**
 * @param first of the range that was asked for
 * @returns none if the TPM gave an error: the next command says what is wrong with it
 * @throws TransportError these bytes are not an answer to that question
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

/** The ranges of sessions list either type. */
function fits(first: number, handle: number): boolean {
  const type = typeOf(handle);
  if (typeOf(first) === HT.TRANSIENT) return type === HT.TRANSIENT;
  return type === HT.HMAC_SESSION || type === HT.POLICY_SESSION;
}
