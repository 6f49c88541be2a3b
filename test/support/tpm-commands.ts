/** Builds TPM 2.0 commands for tests, and parses responses. */
import { createHash, createHmac } from "node:crypto";
import { STORAGE_PRIMARY } from "../../host/capabilities/tpm/template.ts";

export const OWNER = 0x40000001;
export const NULL_HIERARCHY = 0x40000007;
export const PASSWORD = 0x40000009;

export const u8 = (value: number) => Uint8Array.of(value);
export const u16 = (value: number) => Uint8Array.of(value >>> 8, value & 0xff);
export const u32 = (value: number) =>
  Uint8Array.from([24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff));
export const sized = (bytes: Uint8Array) => join(u16(bytes.length), bytes);
const NONE = new Uint8Array();

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

export interface Session {
  readonly handle: number;
  readonly attributes?: number;
  readonly nonce?: Uint8Array;
  readonly hmac?: Uint8Array;
}

/** The empty password. */
export const EMPTY_AUTH: Session = { handle: PASSWORD };
export const auth = (value: Uint8Array): Session => ({ handle: PASSWORD, hmac: value });

export function command(
  code: number,
  handles: readonly number[],
  sessions: readonly Session[],
  ...parameters: readonly Uint8Array[]
): Uint8Array {
  const area = join(
    ...sessions.map(({ handle, attributes = 0, nonce = NONE, hmac = NONE }) =>
      join(u32(handle), sized(nonce), u8(attributes), sized(hmac)),
    ),
  );
  const body = join(
    ...handles.map(u32),
    ...(sessions.length === 0 ? [] : [u32(area.length), area]),
    ...parameters,
  );
  return join(u16(sessions.length === 0 ? 0x8001 : 0x8002), u32(10 + body.length), u32(code), body);
}

/** TPM2B_SENSITIVE_CREATE. */
const sensitive = (userAuth: Uint8Array, data: Uint8Array) => sized(join(sized(userAuth), sized(data)));

export const createPrimary = (hierarchy = OWNER, template = STORAGE_PRIMARY) =>
  command(0x131, [hierarchy], [EMPTY_AUTH], sensitive(NONE, NONE), sized(template), u16(0), u32(0));

/** The same, authorized by an HMAC session that is neither salted nor bound, and that ends with it. */
export function createPrimaryBySession(session: number, nonceTpm: Uint8Array): Uint8Array {
  const parameters = [sensitive(NONE, NONE), sized(STORAGE_PRIMARY), u16(0), u32(0)];
  const nonce = new Uint8Array(16);
  const attributes = 0;
  // cpHash (Part 1, 16.7): the name of a hierarchy is its handle. The HMAC's key is empty (Part 1, 19.6.5).
  const cpHash = createHash("sha256")
    .update(join(u32(0x131), u32(OWNER), ...parameters))
    .digest();
  const signed = join(cpHash, nonce, nonceTpm, u8(attributes));
  const hmac = Uint8Array.from(createHmac("sha256", "").update(signed).digest());
  return command(0x131, [OWNER], [{ handle: session, nonce, attributes, hmac }], ...parameters);
}

export const HMAC_KEY = 0x00040472;
export const SEALED = 0x00000452;

/** TPMT_PUBLIC of a keyed-hash object. */
export function keyedHash(
  attributes: number,
  { hmac = true, policy = NONE, unique = NONE } = {},
): Uint8Array {
  const scheme = hmac ? join(u16(0x0005), u16(0x000b)) : u16(0x0010);
  return join(u16(0x0008), u16(0x000b), u32(attributes), sized(policy), scheme, sized(unique));
}

/** The public area of an HMAC key, as a TPM returns it. */
export const loadable = () => keyedHash(HMAC_KEY, { unique: new Uint8Array(32) });

export const create = (
  parent: number,
  { template = keyedHash(HMAC_KEY), userAuth = NONE, data = NONE, sessions = [EMPTY_AUTH] } = {},
) => command(0x153, [parent], sessions, sensitive(userAuth, data), sized(template), u16(0), u32(0));

export const load = (parent: number, privatePart: Uint8Array, publicPart: Uint8Array) =>
  command(0x157, [parent], [EMPTY_AUTH], sized(privatePart), sized(publicPart));

export const hmac = (key: number, data: Uint8Array, session: Session = EMPTY_AUTH) =>
  command(0x155, [key], [session], sized(data), u16(0x000b));

export const unseal = (object: number, session: Session = EMPTY_AUTH) => command(0x15e, [object], [session]);

export const readPublic = (object: number) => command(0x173, [object], []);

export const startSession = (type = 0, { key = NULL_HIERARCHY, bind = NULL_HIERARCHY } = {}) =>
  command(0x176, [key, bind], [], sized(new Uint8Array(16)), sized(NONE), u8(type), u16(0x0010), u16(0x000b));

export const getRandom = (bytes: number, sessions: readonly Session[] = []) =>
  command(0x17b, [], sessions, u16(bytes));

export const getCapability = (capability: number, property = 0, count = 64) =>
  command(0x17a, [], [], u32(capability), u32(property), u32(count));

export const flushContext = (handle: number) => command(0x165, [], [], u32(handle));

/** PCR 0 and 7 of the SHA-256 bank. */
export const pcrRead = () => command(0x17e, [], [], u32(1), u16(0x000b), Uint8Array.of(3, 0x81, 0, 0));
export const policyPcr = (session: number) => command(0x17f, [session], [], sized(NONE), u32(0));
export const policyAuthValue = (session: number) => command(0x16b, [session], []);
export const policyCommandCode = (session: number) => command(0x16c, [session], [], u32(0x155));
export const policyGetDigest = (session: number) => command(0x189, [session], []);
export const policyRestart = (session: number) => command(0x180, [session], []);

/** The code of a response. */
export const rc = (response: Uint8Array) => Buffer.from(response).readUInt32BE(6);
/** The handle of a response that has one. */
export const handleIn = (response: Uint8Array) => Buffer.from(response).readUInt32BE(10);

/** The TPM2Bs from an offset on. */
export function sizedAt(response: Uint8Array, offset: number, count: number): Uint8Array[] {
  const buffer = Buffer.from(response);
  let at = offset;
  return Array.from({ length: count }, () => {
    const length = buffer.readUInt16BE(at);
    const part = Uint8Array.from(buffer.subarray(at + 2, at + 2 + length));
    at += 2 + length;
    return part;
  });
}
