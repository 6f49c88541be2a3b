/** The failures of a module and its token: their sentences, and how each is answered and survived. Pure. */
import { type FailedStep, type HostAnswer, HostCode, refusal } from "../../host-call.ts";
import { parseFacts } from "./facts.ts";
import { CKR } from "./module/constants.mjs";

/** A module or a token that cannot be used now; the message continues a sentence. */
export class ModuleFailure extends Error {
  readonly kind: Kind;
  /** The function of the module that failed, and its return value (CK_RV). */
  readonly call: string | undefined;
  readonly rv: number | undefined;
  /** The message without `said`: what a guest may read. */
  readonly told: string;
  /** Text that the module chose, for the operator. */
  readonly said: string;

  constructor(
    kind: Kind,
    told: string,
    { call, rv, said = "" }: { call?: string | undefined; rv?: number | undefined; said?: string } = {},
  ) {
    super(said === "" ? told : `${told}: ${said}`);
    this.kind = kind;
    this.call = call;
    this.rv = rv;
    this.told = told;
    this.said = said;
  }

  /** The failure without a text of the module that contains the PIN. */
  without(pin: Uint8Array): ModuleFailure {
    const { kind, told, call, rv, said } = this;
    if (said === "" || !Buffer.from(said).includes(pin)) return this;
    return new ModuleFailure(kind, told, { call, rv, said: "[its text contained the PIN]" });
  }
}

interface KindRow {
  readonly message: string;
  readonly code: number;
  readonly step?: FailedStep;
  /** The process goes on: the module and its session are as before. */
  readonly keeps?: true;
}

const { NOT_FOUND, NOT_AUTHENTIC, UNAVAILABLE } = HostCode;

/** The kinds of failures: those that the process of the module reports, then those that the host finds. */
const KINDS = {
  load: { message: "the module cannot be loaded", code: UNAVAILABLE, step: "hsm" },
  "token-missing": { message: "no slot has a token with this label", code: UNAVAILABLE, step: "hsm" },
  "token-twice": {
    message: "several slots have a token with this label",
    code: UNAVAILABLE,
    step: "hsm",
  },
  "pin-final-try": {
    message:
      "the token reports that one more wrong PIN locks it: the host does not try; log in once with the right PIN by another program",
    code: UNAVAILABLE,
    step: "login",
  },
  "pin-refused-locked": {
    message: "the PIN is locked: after it was unlocked, touch its file",
    code: UNAVAILABLE,
    step: "login",
  },
  "pin-locked": { message: "the token reports that its PIN is locked", code: UNAVAILABLE, step: "login" },
  "key-missing": { message: "the token has no AES key with this label", code: NOT_FOUND, keeps: true },
  "key-twice": { message: "the token has several AES keys with this label", code: NOT_FOUND, keeps: true },
  "key-other": { message: "the key has another version", code: NOT_FOUND, keeps: true },
  "not-authentic": {
    message: "they were not encrypted by this key, provider and associated data",
    code: NOT_AUTHENTIC,
    keeps: true,
  },
  call: { message: "a function of the module failed", code: UNAVAILABLE, step: "hsm" },
  "pin-refused": {
    message: "the token refused the PIN: it is not tried again until its file changes",
    code: UNAVAILABLE,
    step: "login",
  },
  "pin-suspected": {
    message:
      "several logins with this PIN failed, and any of them may bring the token nearer to its lock: it is tried again after 5 minutes, or when its file changes",
    code: UNAVAILABLE,
    step: "hsm",
  },
  "key-unnamed": {
    message:
      "the token gives neither a check value nor a unique id of the key, so another key under its label could not be told from it",
    code: NOT_FOUND,
    keeps: true,
  },
  "pin-file": { message: "the PIN cannot be read", code: UNAVAILABLE, step: "file" },
  gone: { message: "the module's process ended", code: UNAVAILABLE, step: "hsm" },
  late: { message: "the module did not answer in time", code: UNAVAILABLE, step: "hsm" },
  busy: { message: "too many calls wait for the module", code: UNAVAILABLE, step: "hsm" },
  over: { message: "the call is over", code: UNAVAILABLE },
} as const satisfies Record<string, KindRow>;

export type Kind = keyof typeof KINDS;

/** The return values after which the session is as before: they are about the key or the request. */
const HARMLESS: ReadonlySet<number> = new Set([
  CKR.KEY_FUNCTION_NOT_PERMITTED,
  CKR.MECHANISM_INVALID,
  CKR.MECHANISM_PARAM_INVALID,
]);
const OUT_OF_REACH: ReadonlySet<number> = new Set([
  CKR.DEVICE_ERROR,
  CKR.DEVICE_REMOVED,
  CKR.TOKEN_NOT_PRESENT,
  CKR.SESSION_CLOSED,
  CKR.SESSION_HANDLE_INVALID,
]);
const PIN_REFUSED: ReadonlySet<number> = new Set([CKR.PIN_INCORRECT, CKR.PIN_INVALID, CKR.PIN_LEN_RANGE]);
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(CKR).map(([name, value]) => [value, `CKR_${name}`]),
);

/**
 * @param detail added in parentheses
 * @param said text that the module chose: for the operator, and not for a guest
 */
export function failure(kind: Kind, detail = "", said = ""): ModuleFailure {
  const { message } = KINDS[kind];
  return new ModuleFailure(kind, detail === "" ? message : `${message} (${detail})`, { said });
}

/**
 * Parses a FAILED message of a module's process, which is not trusted.
 * @returns undefined if the process cannot have meant it
 */
export function parseFailure(payload: Buffer): ModuleFailure | undefined {
  const { kind, detail, call, rv } = parseFacts(payload);
  if (typeof kind !== "string" || !Object.hasOwn(KINDS, kind)) return undefined;
  if (kind !== "call") return failure(kind as Kind, "", clean(detail));
  if (typeof call !== "string" || !/^C_[A-Za-z]{1,32}$/.test(call) || !Number.isSafeInteger(rv))
    return undefined;
  const value = Number(rv);
  const name = NAMES.get(value) ?? `0x${value.toString(16)}`;
  if (call === "C_Login" && PIN_REFUSED.has(value)) return failure("pin-refused", name);
  if (call === "C_Login" && value === CKR.PIN_LOCKED) return failure("pin-refused-locked", name);
  return new ModuleFailure("call", `${call} returned ${name}`, { call, rv: value });
}

/**
 * True if a login that failed so may have offered a wrong PIN: the vendor returned neither a value for that nor one for a token that is out of
 * reach.
 */
export function maySuspectPin({ kind, rv }: ModuleFailure): boolean {
  return kind === "late" || kind === "gone" || (kind === "call" && !OUT_OF_REACH.has(rv ?? -1));
}

/** True if the process can go on after this failure. */
export function keepsProcess({ kind, rv }: ModuleFailure): boolean {
  const row: KindRow = KINDS[kind];
  return row.keeps === true || (kind === "call" && HARMLESS.has(rv ?? -1));
}

/** The answer to the guest: a key that does not permit the operation is one that cannot be used. `subject` begins the sentence. */
export function answerOf(subject: string, failed: ModuleFailure): HostAnswer {
  const { kind, told } = failed;
  if (kind === "call" && keepsProcess(failed)) return refusal(NOT_FOUND, `${subject}: ${told}`);
  const { code, step }: KindRow = KINDS[kind];
  return refusal(code, `${subject}: ${told}`, step);
}

/** Text of the loader or the module: printable ASCII, at most 200 characters. */
function clean(text: unknown): string {
  return typeof text === "string" ? text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200) : "";
}
