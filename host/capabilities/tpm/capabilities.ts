/**
 * Builds and parses TPM2_GetCapability (TPM 2.0 Part 3, 30.2; lists TPML_* in Part 2, 10.9.1). Pure. A response is not trusted to match
 * its request.
 */
import { command, getCapability } from "./host-commands.ts";
import { Reader, TooShort } from "./reader.ts";
import { codeOf, faultOf, HEADER, Rc } from "./response.ts";
import { TransportError } from "./transport-error.ts";

/** One of the lists of a TPM. */
export interface TpmList<Entry> {
  readonly code: number;
  readonly name: string;
  /** The position of the first entry to request. */
  readonly first: number;
  /** Entries per request: as many as fit into TPM2_MAX_CAP_BUFFER (1,024 bytes) of every TPM. */
  readonly count: number;
  readonly read: (reader: Reader) => Entry;
  /** An entry's position in the list; absent: a TPM returns the whole list at once. */
  readonly place?: (entry: Entry) => number;
}

export interface Property {
  readonly tag: number;
  readonly value: number;
}

/** A PCR bank: its hash algorithm and the number of PCRs allocated in it. */
export interface Bank {
  readonly hash: number;
  readonly pcrs: number;
}

const NUMBERED = { first: 0, count: 120, place: (entry: number) => entry };

export const ALGORITHMS: TpmList<number> = {
  ...{ code: 0, name: "ALGS", ...NUMBERED },
  read(reader) {
    const algorithm = reader.u16();
    reader.u32(); // attributes
    return algorithm;
  },
};

export const COMMAND_CODES: TpmList<number> = {
  ...{ code: 2, name: "COMMANDS", ...NUMBERED },
  // TPMA_CC (Part 2, 8.9): the command number and the vendor bit.
  read: (reader) => reader.u32() & 0x2000ffff,
};

export const CURVES: TpmList<number> = {
  ...{ code: 8, name: "ECC_CURVES", ...NUMBERED },
  read: (reader) => reader.u16(),
};

export const BANKS: TpmList<Bank> = {
  ...{ code: 5, name: "PCRS", first: 0, count: 16 },
  read(reader) {
    const hash = reader.u16();
    const selected = [...reader.raw(reader.u8())];
    return { hash, pcrs: selected.reduce((sum, byte) => sum + bitsIn(byte), 0) };
  },
};

/** The properties from PT_FIXED or PT_VAR on (Part 2, 6.13). */
export const propertiesFrom = (first: number): TpmList<Property> => ({
  ...{ code: 6, name: "TPM_PROPERTIES", first, count: 120 },
  read: (reader) => ({ tag: reader.u32(), value: reader.u32() }),
  place: ({ tag }) => tag,
});

/** The TPM answered with an error code. */
export class TpmRefusal extends TransportError {
  readonly rc: number;

  constructor(what: string, rc: number) {
    super(`${what} gave 0x${rc.toString(16)}`);
    this.rc = rc;
  }
}

export function ask<Entry>({ code, count }: TpmList<Entry>, first: number): Uint8Array {
  return getCapability(code, first, count);
}

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  /** The position at which the TPM has more entries; absent: the list is complete. */
  readonly next?: number;
}

/**
 * Parses one response of TPM2_GetCapability.
 * @param first the position that was requested
 * @throws TpmRefusal the TPM answered with an error code
 * @throws TransportError the bytes are not a valid response to this request
 */
export function readPage<Entry>(
  { code, name, count, read, place }: TpmList<Entry>,
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
    // This also keeps the requests from looping.
    if (place(last) < first)
      throw new TransportError(`${what} lists ${place(last)}, which is before ${first}`);
    return { entries, next: place(last) + 1 };
  } catch (error) {
    if (error instanceof TooShort) throw new TransportError(`${what} is cut short: ${error.message}`);
    throw error;
  }
}

/** TPM2_TestParms (Part 3, 30.3) with TPMT_PUBLIC_PARMS: SYMCIPHER, AES, 128, CFB. It creates nothing. */
export const testAes128Cfb = () => command(0x18a, 0x0025_0006, 0x0080_0043);

/** @returns true if the TPM supports the tested parameters; undefined if it does not have TPM2_TestParms */
export function isSupported(response: Uint8Array): boolean | undefined {
  const fault = faultOf(response);
  if (fault !== undefined) throw new TransportError(fault);
  const rc = codeOf(response);
  return rc === Rc.COMMAND_CODE ? undefined : rc === 0;
}

function bitsIn(byte: number): number {
  return byte.toString(2).replaceAll("0", "").length;
}
