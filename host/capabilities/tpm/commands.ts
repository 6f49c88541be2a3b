/**
 * The TPM 2.0 commands that a provider may send, with the layout that the host needs to parse each. Every other command is refused:
 * commands that change the TPM for others (Clear, hierarchies, NV, PCRs, dictionary attack), commands that the host sends itself
 * (Startup, contexts) and commands that no provider needs. The layouts are those of TPM_CAP_COMMANDS; a test compares them with a TPM.
 */

/**
 * The handles that are allowed at a position of the handle area.
 * - hierarchy: a hierarchy that the grant lists, or the null hierarchy
 * - parent: an object of the provider, or a persistent object that the grant lists
 * - object: an object of the provider
 * - key or null: as parent, or TPM_RH_NULL
 * - policy session: a policy session of the provider
 */
export type HandleRule = "hierarchy" | "parent" | "object" | "key or null" | "policy session";

export interface Command {
  readonly code: number;
  readonly name: string;
  readonly handles: readonly HandleRule[];
  /** The number of handles that need an authorization; the first sessions authorize them, in order. */
  readonly auths: number;
  /** True if the command may carry sessions. Not if a handle is a session: its number is part of the signed data. */
  readonly sessions: boolean;
  /** The kind of the handle in the response. */
  readonly creates?: "object" | "session";
  readonly provisioningOnly?: true;
  /** The command uses an object's sensitive part: a policy alone does not authorize it. */
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
  PCR_Read: 0x17e,
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
  // No sessions: its handle is a parameter and could name a session that the command carries.
  command("FlushContext", []),
  // Every user may read them (/sys/class/tpm/tpm0/pcr-sha256). A provider cannot change one.
  command("PCR_Read", []),
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
