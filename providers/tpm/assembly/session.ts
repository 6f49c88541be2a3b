/**
 * Salted sessions with parameter encryption both ways (TPM 2.0 Part 1, clauses 19 and 21), bound to no object. An attacker
 * on the way to the TPM learns no secret, and changed or repeated messages are detected.
 */
import { concat, crypto, FailureCode } from "../../../sdk/assemblyscript/assembly";
import { exchange, NO_SESSIONS, SESSIONS } from "./exchange";
import { In, Out } from "./marshal";
import { Primary } from "./primary";
import { cfbDecrypt, cfbEncrypt, equalCodes, hmac, label, random, sha256 } from "./primitives";
import { trouble } from "./trouble";

export const HMAC_SESSION: u32 = 0;
export const POLICY_SESSION: u32 = 1;
export const TRIAL_SESSION: u32 = 3;

export const LOAD: u32 = 0x157;
const START_AUTH_SESSION: u32 = 0x176;
const RH_NULL: u32 = 0x40000007;
const CONTINUE: u32 = 0x01;
/** The first parameter of the command is encrypted (the TPM calls this attribute "decrypt", because it decrypts). */
export const HIDE_COMMAND: u32 = 0x20;
/** The first parameter of the response is encrypted. */
export const HIDE_RESPONSE: u32 = 0x40;
/** Nonces, keys and codes are all as long as a SHA-256. */
const SIZE = 32;

export class Session {
  constructor(
    public handle: u32,
    public key: Uint8Array,
    /** The TPM's last nonce; each response has a new one. */
    public nonceTpm: Uint8Array,
  ) {}
}

/** A response: its handle (Load) or 0, the decrypted content of its first parameter, and the other parameters. */
export class Answer {
  constructor(
    public handle: u32,
    public first: Uint8Array,
    public rest: Uint8Array,
  ) {}
}

/** Starts a session with a salt that only the holder of the primary's private key can read. */
export function startSession(primary: Primary, kind: u32): Session | null {
  const action = "start a session with the TPM";
  const ephemeral = random(SIZE);
  // This makes the scalar smaller than the order of P-256, at the cost of one bit.
  ephemeral[0] &= 0x7f;
  const point = crypto.ecdh("P-256", ephemeral, new Uint8Array(0));
  const shared = crypto.ecdh("P-256", ephemeral, primary.point());
  if (!point.ok || !shared.ok) {
    trouble(FailureCode.FAULT, `Cannot ${action}: its primary's public point is not on P-256`);
    return null;
  }
  const x = point.body.slice(1, 33);
  const y = point.body.slice(33);
  // KDFe (Part 1, clause 11.4.10.3).
  const salt = sha256(new Out().u32(1).raw(shared.body).raw(label("SECRET")).raw(x).raw(primary.x).finish());
  const nonce = random(SIZE);
  const secret = new Out().sized(x).sized(y).finish();
  const body = new Out().u32(primary.handle).u32(RH_NULL).sized(nonce).sized(secret).u8(kind);
  const response = exchange(NO_SESSIONS, START_AUTH_SESSION, withAlgorithms(body), action);
  if (response === null) return null;
  const handle = response.u32();
  const nonceTpm = response.sized();
  if (!response.intact || nonceTpm.length !== SIZE) return garbled<Session>(action);
  return new Session(handle, kdfa(salt, "ATH", nonceTpm, nonce), nonceTpm);
}

/** Starts a trial session, which computes a policy's digest and authorizes nothing, so it needs no salt. Returns its handle, or 0. */
export function startTrial(): u32 {
  const action = "start a trial session";
  const body = new Out().u32(RH_NULL).u32(RH_NULL).sized(random(SIZE)).u16(0).u8(TRIAL_SESSION);
  const response = exchange(NO_SESSIONS, START_AUTH_SESSION, withAlgorithms(body), action);
  return response === null ? 0 : response.u32();
}

/**
 * Runs a command on one object under the session, which authorizes it. `first` is the content of the first parameter, a TPM2B; a command
 * without parameters has null there. `auth` is the object's auth value. `hide` selects the parameters to encrypt; everything is authenticated.
 */
export function run(
  session: Session,
  command: u32,
  handle: u32,
  name: Uint8Array,
  auth: Uint8Array,
  first: Uint8Array | null,
  rest: Uint8Array,
  hide: u32,
  action: string,
): Answer | null {
  // The TPM drops trailing zeros of an auth value. HMAC pads its key with zeros, so the result is the same.
  const key = concat(session.key, auth);
  const nonce = random(SIZE);
  const attributes = CONTINUE | hide;
  let parameters = rest;
  if (first !== null) {
    let sent = first;
    if ((hide & HIDE_COMMAND) !== 0) sent = cfbEncrypt(mask(key, nonce, session.nonceTpm), first);
    parameters = new Out().sized(sent).raw(rest).finish();
  }
  const hashed = sha256(new Out().u32(command).raw(name).raw(parameters).finish());
  const sign = code(key, hashed, nonce, session.nonceTpm, attributes);
  const area = new Out().u32(session.handle).sized(nonce).u8(attributes).sized(sign).finish();
  const body = new Out().u32(handle).u32(area.length).raw(area).raw(parameters).finish();
  const response = exchange(SESSIONS, command, body, action);
  if (response === null) return null;
  return check(session, command, key, nonce, attributes, response, action);
}

/** Checks a response's HMAC before any other use of it, and stores the new nonce. */
function check(
  session: Session,
  command: u32,
  key: Uint8Array,
  nonce: Uint8Array,
  attributes: u32,
  response: In,
  action: string,
): Answer | null {
  const handle = command === LOAD ? response.u32() : 0;
  const parameters = response.raw(response.u32());
  const nonceTpm = response.sized();
  const answered = response.u8();
  const sign = response.sized();
  if (!response.intact || nonceTpm.length !== SIZE) return garbled<Answer>(action);
  const hashed = sha256(new Out().u32(0).u32(command).raw(parameters).finish());
  if (answered !== attributes || !equalCodes(sign, code(key, hashed, nonceTpm, nonce, answered))) {
    trouble(
      FailureCode.FAULT,
      `Cannot ${action}: the response's HMAC is wrong; it was changed or repeated on its way from the TPM`,
    );
    return null;
  }
  session.nonceTpm = nonceTpm;
  const received = new In(parameters);
  let first = received.sized();
  if (!received.ok) return garbled<Answer>(action);
  if ((attributes & HIDE_RESPONSE) !== 0) first = cfbDecrypt(mask(key, nonceTpm, nonce), first);
  return new Answer(handle, first, received.rest());
}

/** Computes key and iv for one parameter in one direction (Part 1, clause 21.3). */
function mask(key: Uint8Array, newer: Uint8Array, older: Uint8Array): Uint8Array {
  return kdfa(key, "CFB", newer, older);
}

/** Computes the HMAC of a command or response (Part 1, clause 19.6.5). */
function code(
  key: Uint8Array,
  hashed: Uint8Array,
  newer: Uint8Array,
  older: Uint8Array,
  attributes: u32,
): Uint8Array {
  return hmac(key, new Out().raw(hashed).raw(newer).raw(older).u8(attributes).finish());
}

/** KDFa with SHA-256 for 256 bits, which is one round (Part 1, clause 11.4.10.2). */
function kdfa(key: Uint8Array, use: string, u: Uint8Array, v: Uint8Array): Uint8Array {
  return hmac(key, new Out().u32(1).raw(label(use)).raw(u).raw(v).u32(256).finish());
}

/** Parameter encryption with AES-128-CFB, everything hashed with SHA-256. */
function withAlgorithms(body: Out): Uint8Array {
  return body.u16(0x0006).u16(128).u16(0x0043).u16(0x000b).finish();
}

function garbled<T>(action: string): T | null {
  trouble(FailureCode.FAULT, `Cannot ${action}: the TPM's response does not have the form of Part 3`);
  return null;
}
