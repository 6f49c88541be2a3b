/** One command and its response (TPM 2.0 Part 1, clause 18), and the failure that each response code means. */
import { FailureCode, HostCode, tpm } from "../../../sdk/assemblyscript/assembly";
import { In, Out } from "./marshal";
import { code } from "./text";
import { staleTrouble, trouble } from "./trouble";

export const NO_SESSIONS: u32 = 0x8001;
export const SESSIONS: u32 = 0x8002;

const FLUSH_CONTEXT: u32 = 0x165;
const HEADER = 10;

/** Sends a command, given without its header; returns the response without its header. */
export function exchange(tag: u32, command: u32, rest: Uint8Array, action: string): In | null {
  const message = new Out()
    .u16(tag)
    .u32(HEADER + rest.length)
    .u32(command)
    .raw(rest)
    .finish();
  const reply = tpm.transmit(message);
  if (!reply.ok) {
    const away = reply.code === HostCode.UNAVAILABLE;
    const failure = away ? FailureCode.UNREACHABLE : FailureCode.FAULT;
    trouble(failure, `Cannot ${action}: the host could not reach the TPM, "${reply.message}"`);
    return null;
  }
  const response = new In(reply.body);
  const answered = response.u16();
  const size = response.u32();
  const result = response.u32();
  if (!response.ok || size !== (reply.body.length as u32)) {
    trouble(FailureCode.FAULT, `Cannot ${action}: the TPM's response is truncated or has a wrong size`);
    return null;
  }
  if (result !== 0) {
    judge(result, action);
    return null;
  }
  if (answered !== tag) {
    trouble(FailureCode.FAULT, `Cannot ${action}: the TPM's response has the tag ${code(answered)}`);
    return null;
  }
  return response;
}

/** Flushes an object or session. It may be gone already, so the response is ignored. */
export function flush(handle: u32): void {
  // The handle is a parameter here, and not in the handle area (Part 3, 28.4).
  tpm.transmit(
    new Out()
      .u16(NO_SESSIONS)
      .u32(HEADER + 4)
      .u32(FLUSH_CONTEXT)
      .u32(handle)
      .finish(),
  );
}

/** Maps a response code (Part 2, clause 6.6) to a failure of the key, the session or the TPM. */
function judge(result: u32, action: string): void {
  const told = `Cannot ${action}: the TPM answered ${code(result)}`;
  // The resource manager's layer (0xB0000) uses the TPM's own codes.
  const rc = result & 0xffff;
  const base = (rc & 0x80) !== 0 ? rc & 0xbf : rc;
  if (rc === 0x921) {
    trouble(FailureCode.KEY_UNUSABLE, `${told}: it is in lockout; see tpm2_dictionarylockout`);
  } else if (base === 0x8e || base === 0xa2) {
    staleTrouble(
      FailureCode.KEY_UNUSABLE,
      `${told}: the auth value is refused; the state record does not fit the key, or the owner hierarchy has a password; then name a persistent storage key (providers/tpm/README.md, "A TPM with an owner password")`,
    );
  } else if (base === 0x9d) {
    staleTrouble(
      FailureCode.KEY_UNUSABLE,
      `${told}: the PCRs are not as they were when the key was created; after an intended change, import the key's escrowed bytes: kleidi key init --import FILE`,
    );
  } else if (base === 0x9f) {
    trouble(FailureCode.KEY_UNUSABLE, `${told}: the wrapped key was not made in this TPM, or it was changed`);
  } else if (rc === 0x143) {
    trouble(
      FailureCode.KEY_UNUSABLE,
      `${told}: it has no such command; where it is HMAC, create the key with the scheme "sealed"`,
    );
  } else if (isGone(rc, base)) {
    staleTrouble(FailureCode.UNREACHABLE, `${told}: a handle or session is gone`);
  } else if (isBusy(rc)) {
    trouble(FailureCode.UNREACHABLE, `${told}: it is busy, or its memory is full`);
  } else {
    trouble(FailureCode.FAULT, told);
  }
}

/**
 * A handle that names nothing (0x910 to 0x916 objects, 0x918 to 0x91e sessions), a handle or session that is not acceptable in its place
 * (0x18b HANDLE, 0x184 VALUE, 0x98f NONCE), PCRs that changed under a policy (0x128), a TPM that was reset (0x100).
 */
function isGone(rc: u32, base: u32): bool {
  if (rc >= 0x910 && rc <= 0x91e) return true;
  // Bit 6 means "parameter": the code is about a handle or session only if it is not set.
  const area = (rc & 0x80) !== 0 && (rc & 0x40) === 0;
  if (area && (base === 0x8b || base === 0x84 || base === 0x8f)) return true;
  return rc === 0x128 || rc === 0x100;
}

/** RETRY, YIELDED, TESTING, and the three codes for full memory. The host has already retried. */
function isBusy(rc: u32): bool {
  return rc === 0x922 || rc === 0x908 || rc === 0x90a || (rc >= 0x901 && rc <= 0x905);
}
