/** TPM2_Create (Part 3, 12.1) for the KEK. The TPM enforces the attributes of the public area for the life of the key. */
import { FailureCode } from "../../../sdk/assemblyscript/assembly";
import { Lease } from "./lease";
import { In, Out } from "./marshal";
import { Wrapped } from "./pem";
import { Primary } from "./primary";
import { Scheme } from "./scheme";
import { HIDE_COMMAND, run } from "./session";
import { trouble } from "./trouble";

const CREATE: u32 = 0x153;

/** fixedTPM and fixedParent: it cannot be duplicated. noDA: a wrong auth value does not lock the TPM; guessing 256 random bits is hopeless. */
const FIXED: u32 = 0x00000412;
const SENSITIVE_DATA_ORIGIN: u32 = 0x00000020;
/** Without a policy the auth value suffices; with one the PCRs must match too. */
const USER_WITH_AUTH: u32 = 0x00000040;
const SIGN: u32 = 0x00040000;

/** `policy`: its digest, or no bytes. `material`: the KEK, or no bytes if the TPM creates it. */
export function create(
  lease: Lease,
  primary: Primary,
  scheme: Scheme,
  policy: Uint8Array,
  auth: Uint8Array,
  material: Uint8Array,
): Wrapped | null {
  const session = lease.session!;
  const asked = template(scheme, policy, material.length === 0);
  const sensitive = new Out().sized(auth).sized(material).finish();
  // No outside information, no PCRs in the creation data.
  const rest = new Out().sized(asked).u16(0).u32(0).finish();
  const none = new Uint8Array(0);
  const action = "create the key in the TPM";
  const answer = run(
    session,
    CREATE,
    primary.handle,
    primary.name,
    none,
    sensitive,
    rest,
    HIDE_COMMAND,
    action,
  );
  if (answer === null) return null;
  const area = new In(answer.rest).sized();
  if (!isAsked(area, asked)) {
    trouble(FailureCode.FAULT, `Cannot ${action}: the TPM created another kind of key than requested`);
    return null;
  }
  return new Wrapped(area, answer.first);
}

/** TPMT_PUBLIC of a KEYEDHASH object: an HMAC key, or sealed data, which has no scheme. */
function template(scheme: Scheme, policy: Uint8Array, generated: bool): Uint8Array {
  let attributes = FIXED;
  if (generated) attributes |= SENSITIVE_DATA_ORIGIN;
  if (!scheme.hasPolicy) attributes |= USER_WITH_AUTH;
  if (!scheme.sealed) attributes |= SIGN;
  const area = new Out().u16(0x0008).u16(0x000b).u32(attributes).sized(policy);
  if (scheme.sealed) area.u16(0x0010);
  else area.u16(0x0005).u16(0x000b);
  return area.u16(0).finish();
}

/** The TPM sets `unique`, the last field, and leaves every other field unchanged. */
function isAsked(area: Uint8Array, asked: Uint8Array): bool {
  const fixed = asked.length - 2;
  if (area.length !== fixed + 34) return false;
  return memory.compare(area.dataStart, asked.dataStart, fixed) === 0;
}
