/**
 * The commands of TPM 2.0 that a provider may send, and what the host must know of each to read it. Everything else is refused:
 * what changes the TPM for others (Clear, hierarchies, NV, PCRs, dictionary attack), what the host does itself (Startup, contexts)
 * and what nobody needs here. The shapes are those of TPM_CAP_COMMANDS; a test compares them with a TPM's own.
 */

/**
 * What may stand in a place of the handle area.
 * - hierarchy: one that the grant lists, or the null hierarchy
 * - parent: an own object, or a persistent one that the grant lists
 * - object: an own object
 * - key or null: as parent, or TPM_RH_NULL
 * - policy session: an own session of that type
 */
export type HandleRule = "hierarchy" | "parent" | "object" | "key or null" | "policy session";

export interface Command {
  readonly code: number;
  readonly name: string;
  readonly handles: readonly HandleRule[];
  /** How many of these handles need an authorization; as many sessions come first. */
  readonly auths: number;
  /** Whether it may carry sessions at all. Not where a session is among the handles: its number is part of what they sign. */
  readonly sessions: boolean;
  /** What the response's handle is. */
  readonly creates?: "object" | "session";
  readonly provisioningOnly?: true;
  /** Uses an object, and not just what is public of it: a policy alone is not enough. */
  readonly usesObject?: true;
}

export const CC = {
  CreatePrimary: 0x131,
  Create: 0x153,
  HMAC: 0x155,
  Load: 0x157,
  Unseal: 0x15e,
  FlushContext: 0x165,
  PolicyAuthValue: 0x16b,
  PolicyCommandCode: 0x16c,
  ReadPublic: 0x173,
  StartAuthSession: 0x176,
  GetCapability: 0x17a,
  GetRandom: 0x17b,
  PolicyPCR: 0x17f,
  PolicyRestart: 0x180,
  PolicyGetDigest: 0x189,
} as const;

const LIST: readonly Command[] = [
  command("CreatePrimary", ["hierarchy"], { auths: 1, sessions: true, creates: "object" }),
  command("Create", ["parent"], { auths: 1, sessions: true, provisioningOnly: true }),
  command("Load", ["parent"], { auths: 1, sessions: true, creates: "object" }),
  command("HMAC", ["object"], { auths: 1, sessions: true, usesObject: true }),
  command("Unseal", ["object"], { auths: 1, sessions: true, usesObject: true }),
  command("ReadPublic", ["parent"], { sessions: true }),
  command("StartAuthSession", ["key or null", "key or null"], { creates: "session" }),
  command("GetRandom", [], { sessions: true }),
  command("GetCapability", []),
  // Its handle is a parameter, and the sessions that it might carry could be the one that it ends.
  command("FlushContext", []),
  command("PolicyPCR", ["policy session"]),
  command("PolicyAuthValue", ["policy session"]),
  command("PolicyCommandCode", ["policy session"]),
  command("PolicyGetDigest", ["policy session"]),
  command("PolicyRestart", ["policy session"]),
];

function command(
  name: keyof typeof CC,
  handles: readonly HandleRule[],
  more: Partial<Pick<Command, "auths" | "sessions" | "creates" | "provisioningOnly" | "usesObject">> = {},
): Command {
  return { code: CC[name], name: `TPM2_${name}`, handles, auths: 0, sessions: false, ...more };
}

/** By command code. */
export const COMMANDS: ReadonlyMap<number, Command> = new Map(LIST.map((each) => [each.code, each]));
