/**
 * What a TPM says of itself (TPM 2.0 Part 3, 30.2, TPM2_GetCapability; Part 2, 10.9.1, TPML_*). Only bytes here: the commands that ask,
 * and the answers, which are not trusted to be what was asked for.
 */
import { command, getCapability } from "./housekeeping.ts";
import { Reader, Short } from "./reader.ts";
import { codeOf, faultOf, HEADER, Rc } from "./response.ts";
import { TransportError } from "./transport-error.ts";

/** One of the lists of a TPM. */
export interface Capability<Entry> {
  readonly code: number;
  readonly name: string;
  /** Of the first entry that is asked for. */
  readonly first: number;
  /** How many to ask for at once: what fits into TPM2_MAX_CAP_BUFFER (1,024 bytes) of every TPM. */
  readonly count: number;
  readonly read: (reader: Reader) => Entry;
  /** An entry's place in the list's order; absent: the list is never cut. */
  readonly place?: (entry: Entry) => number;
}

export interface Property {
  readonly tag: number;
  readonly value: number;
}

/** A PCR bank: its hash algorithm, and how many PCRs are allocated in it. */
export interface Bank {
  readonly hash: number;
  readonly pcrs: number;
}

const NUMBERED = { first: 0, count: 120, place: (entry: number) => entry };

export const ALGORITHMS: Capability<number> = {
  ...{ code: 0, name: "ALGS", ...NUMBERED },
  read(reader) {
    const algorithm = reader.u16();
    reader.u32(); // attributes
    return algorithm;
  },
};

export const COMMAND_CODES: Capability<number> = {
  ...{ code: 2, name: "COMMANDS", ...NUMBERED },
  // TPMA_CC (Part 2, 8.9): the number, and whether it is the vendor's own.
  read: (reader) => reader.u32() & 0x2000ffff,
};

export const CURVES: Capability<number> = {
  ...{ code: 8, name: "ECC_CURVES", ...NUMBERED },
  read: (reader) => reader.u16(),
};

export const BANKS: Capability<Bank> = {
  ...{ code: 5, name: "PCRS", first: 0, count: 16 },
  read(reader) {
    const hash = reader.u16();
    const selected = [...reader.raw(reader.u8())];
    return { hash, pcrs: selected.reduce((sum, byte) => sum + bitsIn(byte), 0) };
  },
};

/** The fixed properties, or those that vary (PT_FIXED, PT_VAR: Part 2, 6.13). */
export const propertiesFrom = (first: number): Capability<Property> => ({
  ...{ code: 6, name: "TPM_PROPERTIES", first, count: 120 },
  read: (reader) => ({ tag: reader.u32(), value: reader.u32() }),
  place: ({ tag }) => tag,
});

/** A TPM that answered with an error. */
export class TpmRefusal extends TransportError {
  readonly rc: number;

  constructor(what: string, rc: number) {
    super(`${what} gave 0x${rc.toString(16)}`);
    this.rc = rc;
  }
}

export function ask<Entry>({ code, count }: Capability<Entry>, first: number): Uint8Array {
  return getCapability(code, first, count);
}

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  /** From where the TPM has more. */
  readonly next?: number;
}

/**
 * @throws TpmRefusal the TPM gave an error
 * @throws TransportError these bytes are no answer to this question
 */
export function readPage<Entry>(
  { code, name, count, read, place }: Capability<Entry>,
  first: number,
  response: Uint8Array,
): Page<Entry> {
  const what = `GetCapability(${name})`;
  const fault = faultOf(response);
  if (fault !== undefined) throw new TransportError(fault);
  const rc = codeOf(response);
  if (rc !== 0) throw new TpmRefusal(what, rc);
  try {
    const reader = new Reader(response, HEADER);
    const more = reader.u8() !== 0;
    const answered = reader.u32();
    if (answered !== code) throw new TransportError(`${what} was answered with the capability ${answered}`);
    const listed = reader.u32();
    if (listed > count)
      throw new TransportError(`${what} lists ${listed} entries, at most ${count} were asked for`);
    const entries = Array.from({ length: listed }, () => read(reader));
    if (reader.left > 0) throw new TransportError(`${what} has ${reader.left} bytes behind its last entry`);
    const last = entries.at(-1);
    if (!more || place === undefined || last === undefined) return { entries };
    // Also what keeps the asking from going round in a circle.
    if (place(last) < first)
      throw new TransportError(`${what} lists ${place(last)}, which is before ${first}`);
    return { entries, next: place(last) + 1 };
  } catch (error) {
    if (error instanceof Short) throw new TransportError(`${what} is cut short: ${error.message}`);
    throw error;
  }
}

/** TPM2_TestParms (Part 3, 30.3) of TPMT_PUBLIC_PARMS: SYMCIPHER, AES, 128, CFB. It makes nothing. */
export const testAes128Cfb = () => command(0x18a, 0x0025_0006, 0x0080_0043);

/** Undefined where the TPM cannot be asked this. */
export function passes(response: Uint8Array): boolean | undefined {
  const fault = faultOf(response);
  if (fault !== undefined) throw new TransportError(fault);
  const rc = codeOf(response);
  return rc === Rc.COMMAND_CODE ? undefined : rc === 0;
}

function bitsIn(byte: number): number {
  return byte.toString(2).replaceAll("0", "").length;
}
