/**
 * The scheme of a key: `hmac` (the TPM computes with it and never releases it) or `sealed` (for a TPM without TPM2_HMAC: it releases the KEK over
 * the encrypted session). With `pcr=sha256:0,7` it works only while these PCRs have the values of its creation.
 */
import { Out } from "./marshal";

const SHA256: u32 = 0x000b;
const SHA384: u32 = 0x000c;

export class Scheme {
  sealed: bool = false;
  /** The hash algorithm of the PCRs (TPM_ALG_ID), and the PCRs themselves, PCR 0 the lowest bit; 0 without a policy. */
  bank: u32 = 0;
  bits: u32 = 0;

  constructor(
    /** The text in the record. */
    public text: string,
  ) {}

  get hasPolicy(): bool {
    return this.bits !== 0;
  }

  /** A TPML_PCR_SELECTION. */
  get pcrs(): Uint8Array {
    return selectionOf(this.bank, this.bits);
  }

  get bankName(): string {
    return this.bank === SHA384 ? "sha384" : "sha256";
  }

  /** The first byte of a ciphertext. */
  get format(): u8 {
    return this.sealed ? 2 : 1;
  }
}

/** Parses "", "hmac", "sealed", "hmac pcr=sha256:0,7"; null for anything else. */
export function parseScheme(text: string): Scheme | null {
  const scheme = new Scheme(text);
  let rest = text;
  if (rest.length === 0) {
    scheme.text = "hmac";
    return scheme;
  }
  if (rest.startsWith("hmac")) rest = rest.slice(4);
  else if (rest.startsWith("sealed")) {
    scheme.sealed = true;
    rest = rest.slice(6);
  } else return null;
  if (rest.length === 0) return scheme;
  if (rest.startsWith(" pcr=sha256:")) return withPcrs(scheme, SHA256, rest.slice(12));
  if (rest.startsWith(" pcr=sha384:")) return withPcrs(scheme, SHA384, rest.slice(12));
  return null;
}

/** Parses numbers from 0 to 23, separated by commas. */
function withPcrs(scheme: Scheme, bank: u32, list: string): Scheme | null {
  let bits: u32 = 0;
  let pcr: u32 = 0;
  let digits = 0;
  for (let i = 0; i <= list.length; i++) {
    // The end is a comma too.
    const letter = i < list.length ? list.charCodeAt(i) : 44;
    if (letter === 44) {
      if (digits === 0 || pcr > 23) return null;
      bits |= 1 << pcr;
      pcr = 0;
      digits = 0;
    } else if (letter >= 48 && letter <= 57 && digits < 2) {
      pcr = pcr * 10 + (letter - 48);
      digits++;
    } else return null;
  }
  scheme.bank = bank;
  scheme.bits = bits;
  return scheme;
}

/** TPML_PCR_SELECTION of one bank: three bytes of bits, PCR 0 the lowest bit of the first. */
export function selectionOf(bank: u32, bits: u32): Uint8Array {
  const out = new Out().u32(1).u16(bank).u8(3);
  return out
    .u8(bits)
    .u8(bits >> 8)
    .u8(bits >> 16)
    .finish();
}
