/** The PIN of a token: read from its file for each login, and not offered again after the token refused it, because HSMs lock. */
import { createHash } from "node:crypto";
import { FileFault } from "../../lib/files.ts";
import { Secret } from "../../lib/secret.ts";
import { readSecretFile } from "../../lib/secret-files.ts";
import { statOf } from "../../lib/write-files.ts";
import { failure, type ModuleFailure, maySuspectPin } from "./failure.ts";

/** CK_TOKEN_INFO.ulMaxPinLen is 255 at most where modules name it. */
const MAX_PIN = 255;

export interface Pin {
  readonly secret: Secret;
  /** Identifies this content of this file for this token. */
  readonly attempt: string;
  /** A login with it failed before. */
  readonly hasFailed: boolean;
}

/** The attempts that a token refused. Of the whole process: a provider that is opened again must not repeat one. */
const refused = new Set<string>();
/** Logins that failed for another reason, which may have been the PIN: their number, and the time of the last one. */
const suspected = new Map<string, { readonly count: number; readonly at: number }>();
/** So many are tried in a row. HSMs lock after 3 to 10 wrong ones; a longer outage begins with other failures. */
const MAX_SUSPECTED = 3;
const SUSPECTED_MS = 300_000;

/**
 * @param token the module's path and the token's label
 * @throws ModuleFailure pin-file; pin-refused: this content of the file was refused; pin-suspected: it failed several times
 */
export function readPin(file: string, token: string): Pin {
  const secret = readPinFile(file);
  const { ino = 0, mtimeMs = 0 } = statOf(file) ?? {};
  const attempt = secret.use((bytes) =>
    createHash("sha256").update(`${token}\0${file}\0${ino}\0${mtimeMs}\0`).update(bytes).digest("hex"),
  );
  const { count, at } = suspected.get(attempt) ?? { count: 0, at: 0 };
  const isSuspected = count >= MAX_SUSPECTED && performance.now() - at < SUSPECTED_MS;
  if (!refused.has(attempt) && !isSuspected) return { secret, attempt, hasFailed: count > 0 };
  secret.wipe();
  throw failure(isSuspected ? "pin-suspected" : "pin-refused");
}

/** Remembers how a login with the PIN ended. @param failed undefined: it succeeded */
export function noteLogin({ attempt }: Pin, failed?: ModuleFailure): void {
  if (failed === undefined) suspected.delete(attempt);
  else if (failed.kind.startsWith("pin-refused")) refused.add(attempt);
  else if (maySuspectPin(failed))
    suspected.set(attempt, { count: (suspected.get(attempt)?.count ?? 0) + 1, at: performance.now() });
}

/**
 * Reads the file, without a line end.
 * @throws ModuleFailure pin-file
 */
export function readPinFile(file: string): Secret {
  const content = readSecretFile(file, MAX_PIN + 2, "given");
  if (content instanceof FileFault) throw failure("pin-file", `${file} ${content.text}`);
  const end = content.at(-1) === 0x0a ? (content.at(-2) === 0x0d ? -2 : -1) : content.length;
  const pin = content.subarray(0, end);
  if (pin.length >= 1 && pin.length <= MAX_PIN && !pin.includes(0x0a)) return new Secret(pin);
  const actual = pin.includes(0x0a) ? "several lines" : `${pin.length} bytes`;
  content.fill(0);
  throw failure("pin-file", `${file} has ${actual}, one line of 1 to ${MAX_PIN} bytes is allowed`);
}
