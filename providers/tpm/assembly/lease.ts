/**
 * This provider's turn at the TPM, and its memory between turns, which the host keeps: the sessions, and at most two loaded
 * keys, the most recently used first. The host's quota is two keys, a primary during a load, and two sessions.
 */
import { FailureCode, HostCode, tpm } from "../../../sdk/assemblyscript/assembly";
import { flush } from "./exchange";
import { In, Out } from "./marshal";
import { parseScheme, Scheme } from "./scheme";
import { Session } from "./session";
import { trouble } from "./trouble";

const FORMAT: u32 = 1;
const MAX_KEYS = 2;
const TRANSIENT: u32 = 0x80;

/** A key in the TPM. */
export class Key {
  constructor(
    public label: string,
    public handle: u32,
    public name: Uint8Array,
    public auth: Uint8Array,
    public keyId: Uint8Array,
    public scheme: Scheme,
  ) {}
}

export class Lease {
  session: Session | null = null;
  policy: Session | null = null;
  keys: Key[] = [];
  /** The storage primary's handle while it is needed, else 0. It is never kept between turns. */
  primary: u32 = 0;

  /** Moves the key to the front; null if it is not loaded. */
  find(label: string): Key | null {
    for (let i = 0; i < this.keys.length; i++) {
      const key = this.keys[i];
      if (key.label !== label) continue;
      this.keys[i] = this.keys[0];
      this.keys[0] = key;
      return key;
    }
    return null;
  }

  /** Makes room for one more key before it is loaded. */
  makeRoom(): void {
    while (this.keys.length >= MAX_KEYS) flush(this.keys.pop().handle);
  }

  add(key: Key): void {
    this.keys.unshift(key);
  }

  flushPrimary(): void {
    // A persistent parent stays.
    if (this.primary >> 24 === TRANSIENT) flush(this.primary);
    this.primary = 0;
  }

  /** Flushes everything. Handles that are gone already do no harm. */
  drop(): void {
    const session = this.session;
    const policy = this.policy;
    if (session !== null) flush(session.handle);
    if (policy !== null) flush(policy.handle);
    for (let i = 0; i < this.keys.length; i++) flush(this.keys[i].handle);
    this.flushPrimary();
    this.session = null;
    this.policy = null;
    this.keys = [];
  }

  /** Ends the turn and keeps everything. On a failure the host forgets the memory, and the next turn starts without it. */
  leave(): void {
    const out = new Out().u8(FORMAT);
    writeSession(out, this.session);
    writeSession(out, this.policy);
    out.u8(this.keys.length);
    for (let i = 0; i < this.keys.length; i++) {
      const key = this.keys[i];
      const label = Uint8Array.wrap(String.UTF8.encode(key.label));
      const scheme = Uint8Array.wrap(String.UTF8.encode(key.scheme.text));
      out.sized(label).u32(key.handle).sized(key.name).sized(key.auth).sized(key.keyId).sized(scheme);
    }
    tpm.leave(out.finish());
  }
}

/** Starts the turn. */
export function enter(): Lease | null {
  const reply = tpm.enter();
  if (!reply.ok) {
    const away = reply.code === HostCode.UNAVAILABLE;
    const failure = away ? FailureCode.UNREACHABLE : FailureCode.FAULT;
    trouble(failure, `Cannot start a turn at the TPM: "${reply.message}"`);
    return null;
  }
  const memory = tpm.memoryOf(reply);
  const lease = new Lease();
  if (memory.length === 0) return lease;
  const reader = new In(memory);
  if (reader.u8() === FORMAT) {
    lease.session = readSession(reader);
    lease.policy = readSession(reader);
    for (let left = reader.u8(); left > 0 && reader.ok; left--) lease.keys.push(readKey(reader));
    if (reader.intact) return lease;
  }
  // The call ends without leave, so the host flushes the objects of this memory and forgets it.
  trouble(FailureCode.FAULT, "Cannot read the memory of the last call; the next call starts without it");
  return null;
}

function writeSession(out: Out, session: Session | null): void {
  if (session === null) out.u8(0);
  else out.u8(1).u32(session.handle).sized(session.key).sized(session.nonceTpm);
}

function readSession(reader: In): Session | null {
  return reader.u8() === 0 ? null : new Session(reader.u32(), reader.sized(), reader.sized());
}

function readKey(reader: In): Key {
  const label = reader.sized();
  const handle = reader.u32();
  const name = reader.sized();
  const auth = reader.sized();
  const keyId = reader.sized();
  const scheme = parseScheme(text(reader.sized()));
  if (scheme === null) reader.ok = false;
  return new Key(text(label), handle, name, auth, keyId, scheme === null ? new Scheme("") : scheme);
}

function text(bytes: Uint8Array): string {
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}
