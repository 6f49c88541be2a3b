/**
 * The PCRs of a key's policy, as the TPM has them. A TPM removes PCRs that it does not have from the selection of a policy and reports no error (TPM 2.0
 * Part 3, clauses 22.4 and 23.7), so a key could depend on fewer PCRs than its scheme names, or on none. So the PCRs are read, and the policy's
 * digest is computed here and compared.
 */

import { exchange, NO_SESSIONS } from "./exchange";
import { In, Out } from "./marshal";
import { sha256 } from "./primitives";
import { Scheme, selectionOf } from "./scheme";

const PCR_READ: u32 = 0x17e;
const POLICY_PCR: u32 = 0x17f;
const POLICY_AUTH_VALUE: u32 = 0x16b;
const COUNT = 24;

/** The values that the TPM returned. */
export class PcrValues {
  /** The PCRs that have a value, PCR 0 the lowest bit. */
  present: u32 = 0;
  /** The PCRs whose bytes are all 00, and those whose bytes are all ff. */
  zeros: u32 = 0;
  ones: u32 = 0;
  values: StaticArray<Uint8Array> = new StaticArray<Uint8Array>(COUNT);

  set(pcr: i32, value: Uint8Array): void {
    this.values[pcr] = value;
    this.present |= 1 << pcr;
    if (hasOnly(value, 0x00)) this.zeros |= 1 << pcr;
    if (hasOnly(value, 0xff)) this.ones |= 1 << pcr;
  }
}

/** Reads the PCRs of a scheme; null if a trouble was noted. PCRs that the TPM does not have are absent from the result. */
export function readPcrs(scheme: Scheme): PcrValues | null {
  const values = new PcrValues();
  let left = scheme.bits;
  // A TPM returns at most eight values at once. Each further request has fewer PCRs, so this ends.
  while (left !== 0) {
    const response = exchange(NO_SESSIONS, PCR_READ, selectionOf(scheme.bank, left), "read the PCRs");
    if (response === null) return null;
    const returned = readValues(response, scheme.bank, left, values);
    if (returned === 0) break;
    left &= ~returned;
  }
  return values;
}

/** Returns the bits of the requested PCRs whose values are in the response; 0 if there are none, or the response has another form. */
function readValues(response: In, bank: u32, requested: u32, values: PcrValues): u32 {
  response.u32(); // pcrUpdateCounter
  if (response.u32() !== 1 || response.u16() !== bank) return 0;
  let bits: u32 = 0;
  for (let i = 0, bytes = response.u8(); i < (bytes as i32); i++) {
    const byte = response.u8();
    if (i < 3) bits |= byte << (8 * i);
  }
  if ((response.u32() as i32) !== popcnt(bits) || (bits & ~requested) !== 0) return 0;
  for (let pcr = 0; pcr < COUNT; pcr++) if ((bits & (1 << pcr)) !== 0) values.set(pcr, response.sized());
  return response.intact ? bits : 0;
}

/** The digest of PolicyPCR over these values, then PolicyAuthValue. All PCRs of the scheme have a value. */
export function digestOf(scheme: Scheme, values: PcrValues): Uint8Array {
  const all = new Out();
  for (let pcr = 0; pcr < COUNT; pcr++) if ((scheme.bits & (1 << pcr)) !== 0) all.raw(values.values[pcr]);
  const pcrs = new Out().raw(new Uint8Array(32)).u32(POLICY_PCR).raw(scheme.pcrs).raw(sha256(all.finish()));
  return sha256(new Out().raw(sha256(pcrs.finish())).u32(POLICY_AUTH_VALUE).finish());
}

/** The numbers of PCRs as text: "0, 7". */
export function listOf(bits: u32): string {
  const numbers: string[] = [];
  for (let pcr = 0; pcr < COUNT; pcr++) if ((bits & (1 << pcr)) !== 0) numbers.push(pcr.toString());
  return numbers.join(", ");
}

function hasOnly(value: Uint8Array, byte: u8): bool {
  for (let i = 0; i < value.length; i++) if (value[i] !== byte) return false;
  return true;
}
