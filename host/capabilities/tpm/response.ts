/** TPM 2.0 responses (Part 1, 18; Part 2, 6.6): parses those of a TPM, and builds those that the host gives in the TPM's place. */

export const HEADER = 10;
/** The largest command and response, in bytes (TPM_PT_MAX_COMMAND_SIZE is at most 4,096 in known TPMs). */
export const MAX_SIZE = 4096;
export const Tag = { NO_SESSIONS: 0x8001, SESSIONS: 0x8002 } as const;

export const Rc = {
  BAD_TAG: 0x01e,
  INITIALIZE: 0x100,
  FAILURE: 0x101,
  AUTH_MISSING: 0x125,
  COMMAND_SIZE: 0x142,
  COMMAND_CODE: 0x143,
  AUTHSIZE: 0x144,
  AUTH_CONTEXT: 0x145,
  OBJECT_MEMORY: 0x902,
  SESSION_MEMORY: 0x903,
  SESSION_HANDLES: 0x905,
  YIELDED: 0x908,
  TESTING: 0x90a,
  REFERENCE_H0: 0x910,
  REFERENCE_S0: 0x918,
  RETRY: 0x922,
} as const;

/** Format-one response codes: an error with the position of its handle, session or parameter (Part 2, 6.6.2). */
const ATTRIBUTES = 0x082;
const VALUE = 0x084;
const HANDLE = 0x08b;
const INSUFFICIENT = 0x09a;
const PARAMETER = 0x040;

export const rcOf = {
  /** @param place 0-based position */
  handleValue: (place: number) => VALUE | ((place + 1) << 8),
  sessionAttributes: (place: number) => ATTRIBUTES | ((place + 9) << 8),
  sessionValue: (place: number) => VALUE | ((place + 9) << 8),
  parameterValue: (place: number) => VALUE | PARAMETER | ((place + 1) << 8),
  insufficient: () => INSUFFICIENT,
};

/** The layer of the resource manager (Part 2, 6.6): marks a response that is not from the TPM. */
const RESOURCE_MANAGER = 0xb0000;

/** Builds a resource manager's response without parameters. */
export function managerAnswer(rc: number): Uint8Array {
  const bytes = new Uint8Array(HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Tag.NO_SESSIONS);
  view.setUint32(2, HEADER);
  view.setUint32(6, RESOURCE_MANAGER | rc);
  return bytes;
}

/** The response code without its layer. @param response with a complete header */
export function codeOf(response: Uint8Array): number {
  return new DataView(response.buffer, response.byteOffset).getUint32(6) & 0xffff;
}

/** Why these bytes are not a complete TPM response; undefined if they are one. */
export function faultOf(response: Uint8Array): string | undefined {
  if (response.length < HEADER)
    return `a response of ${response.length} bytes, at least ${HEADER} are needed`;
  const view = new DataView(response.buffer, response.byteOffset, response.byteLength);
  const size = view.getUint32(2);
  if (size !== response.length) return `a response of ${response.length} bytes that says it has ${size}`;
  const tag = view.getUint16(0);
  if (tag !== Tag.NO_SESSIONS && tag !== Tag.SESSIONS) return `a response with the tag 0x${tag.toString(16)}`;
  return undefined;
}

/**
 * Finds the handle that a response code reports as missing from the TPM.
 * @param rc a response code without its layer
 * @returns the list of the command's effects and the position in it; undefined if the code reports no missing handle
 */
export function missingHandleOf(
  rc: number,
): { readonly of: "handles" | "sessions" | "ends"; readonly place: number } | undefined {
  if (rc >= Rc.REFERENCE_H0 && rc < Rc.REFERENCE_H0 + 7) {
    return { of: "handles", place: rc - Rc.REFERENCE_H0 };
  }
  if (rc >= Rc.REFERENCE_S0 && rc < Rc.REFERENCE_S0 + 7) {
    return { of: "sessions", place: rc - Rc.REFERENCE_S0 };
  }
  // TPM2_FlushContext is the only command whose handle is a parameter.
  if ((rc & 0xf0ff) === (HANDLE | PARAMETER)) return { of: "ends", place: 0 };
  if ((rc & 0xf0ff) !== HANDLE) return undefined;
  const number = (rc >> 8) & 0xf;
  if (number === 0 || number === 8) return undefined;
  return number < 8 ? { of: "handles", place: number - 1 } : { of: "sessions", place: number - 9 };
}
