/**
 * TSS2 PRIVATE KEY, the PEM in which TPM tools keep a wrapped key:
 *
 *     TPMKey ::= SEQUENCE { type OID 2.23.133.10.1.3, emptyAuth [0] EXPLICIT BOOLEAN, parent INTEGER, pubkey OCTET STRING, privkey OCTET STRING }
 *
 * with a TPM2B_PUBLIC and a TPM2B_PRIVATE. It reads only the form that this provider writes.
 */
import { same } from "../../../sdk/assemblyscript/assembly";
import { In, Out } from "./marshal";
import { RH_OWNER } from "./primary";
import { base64, unbase64 } from "./text";

const BEGIN = "-----BEGIN TSS2 PRIVATE KEY-----\n";
const END = "-----END TSS2 PRIVATE KEY-----\n";
const SEQUENCE: u32 = 0x30;
const OCTETS: u32 = 0x04;

/** Both without their 16-bit length. */
export class Wrapped {
  constructor(
    public area: Uint8Array,
    public sensitive: Uint8Array,
  ) {}
}

export function writePem(key: Wrapped): string {
  const content = new Out().raw(head());
  element(content, OCTETS, new Out().sized(key.area).finish());
  element(content, OCTETS, new Out().sized(key.sensitive).finish());
  const der = new Out();
  element(der, SEQUENCE, content.finish());
  const text = base64(der.finish());
  let lines = BEGIN;
  for (let i = 0; i < text.length; i += 64) lines += text.slice(i, i + 64) + "\n";
  return lines + END;
}

/** Reads the block in a text; null if it is missing or has another form. */
export function readPem(text: string): Wrapped | null {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) return null;
  const der = unbase64(text.slice(begin + BEGIN.length, end));
  if (der === null) return null;
  const outer = new In(der);
  const content = new In(inside(outer, SEQUENCE));
  const expected = head();
  if (!outer.intact || !same(content.raw(expected.length), expected)) return null;
  const area = new In(inside(content, OCTETS));
  const sensitive = new In(inside(content, OCTETS));
  const key = new Wrapped(area.sized(), sensitive.sized());
  return content.intact && area.intact && sensitive.intact ? key : null;
}

/** The OID, emptyAuth FALSE and the parent, which is the owner hierarchy: "make the primary of the template". */
function head(): Uint8Array {
  const oid = new Out().u32(0x06066781).u32(0x050a0103);
  return oid.u32(0xa0030101).u8(0).u16(0x0204).u32(RH_OWNER).finish();
}

/** DER: lengths under 128 in one byte, others with their own length in front. */
function element(out: Out, tag: u32, content: Uint8Array): void {
  out.u8(tag);
  if (content.length > 0xff) out.u8(0x82).u16(content.length);
  else if (content.length > 0x7f) out.u8(0x81).u8(content.length);
  else out.u8(content.length);
  out.raw(content);
}

function inside(reader: In, tag: u32): Uint8Array {
  if (reader.u8() !== tag) reader.ok = false;
  let length = reader.u8();
  if (length === 0x82) length = reader.u16();
  else if (length === 0x81) length = reader.u8();
  else if (length > 0x7f) reader.ok = false;
  return reader.raw(length);
}
