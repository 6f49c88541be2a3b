/** The host's log: JSON lines through pino. Causes of errors are written only here. */
import { createHash } from "node:crypto";
import { constants, fstatSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import pino, { type Logger } from "pino";
import { KleidiError } from "../error.ts";
import { typeFault } from "../lib/files.ts";
import { accessFault, pathErrorText } from "../lib/path-fault.ts";

export type { Logger };

interface LogOptions {
  readonly level: string;
  /** Absolute path; by default the log goes to stderr. */
  readonly file?: string;
}

/**
 * Creates the log. Lines are written synchronously: the operator of a killed host needs its last lines.
 * @param options the level (a level of pino) and the file
 * @throws KleidiError config-invalid if the file cannot be opened
 */
export function createLog({ level, file }: LogOptions): Logger {
  const descriptor = file === undefined ? 2 : open(file);
  const destination = lossy(endTornLines((bytes) => writeSync(descriptor, bytes)));
  return pino({ level, base: { service: "kleidi" }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/**
 * Checks that `createLog` can open a log file. Creates nothing.
 * @throws KleidiError config-invalid
 */
export function assertLoggable(file: string): void {
  const action = `Cannot open the log ${file}`;
  const found = statSync(file, { throwIfNoEntry: false });
  if (found !== undefined) assertNoPipe(action, found);
  const fault = accessFault(file, found === undefined ? "create" : "write");
  if (fault === undefined) return;
  throw new KleidiError("config-invalid/log", `${action}: ${fault}`);
}

/**
 * Writes texts completely. A line that could be written in part only (a full disk) is ended before the next text, which it would swallow.
 * @param writeSome writes the first bytes; returns their number
 */
export function endTornLines(writeSome: (bytes: Uint8Array) => number): (text: string) => void {
  let torn = false;
  return (text) => {
    let bytes: Uint8Array = Buffer.from(torn ? `\n${text}` : text);
    while (bytes.length > 0) {
      bytes = bytes.subarray(writeSome(bytes));
      torn = bytes.length > 0;
    }
  };
}

/**
 * Wraps a log destination that can fail, as on a full disk. A failed write does not end the host: lost lines are counted, and the count
 * is logged before the next line that succeeds.
 */
export function lossy(write: (text: string) => void): { write(line: string): void } {
  let lost = 0;
  return {
    write(line) {
      try {
        if (lost > 0) {
          const msg = `${lost} lines before this one could not be written`;
          write(`${JSON.stringify({ level: 50, time: new Date().toISOString(), service: "kleidi", msg })}\n`);
          lost = 0;
        }
        write(line);
      } catch {
        lost += 1;
      }
    },
  };
}

function open(file: string): number {
  const action = `Cannot open the log ${file}`;
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const before = statSync(file, { throwIfNoEntry: false });
    if (before !== undefined) assertNoPipe(action, before);
    // O_NONBLOCK: a named pipe that replaced the file meanwhile would block the start forever.
    const descriptor = openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0o640);
    assertNoPipe(action, fstatSync(descriptor));
    return descriptor;
  } catch (error) {
    if (error instanceof KleidiError) throw error;
    const why = pathErrorText(file, error, "create");
    throw new KleidiError("config-invalid/log", `${action}: ${why}`, error);
  }
}

/** Rejects a pipe, which blocks without a reader, and allows a device. Does not close the descriptor: the host exits without a log. */
function assertNoPipe(action: string, status: Stats): void {
  const fault = status.isCharacterDevice() ? undefined : typeFault(status);
  if (fault === undefined) return;
  const remedy = "give the path of a regular file, or remove log.file to log to stderr";
  throw new KleidiError("config-invalid/log-file", `${action}: it ${fault.problem}; ${remedy}`);
}

/**
 * Hashes a key_id for the log. The key_id itself is stored in etcd, so logging it would help an attacker who can read etcd.
 * @returns 16 hex digits
 */
export function keyIdHash(keyId: string): string {
  return createHash("sha256").update(keyId).digest("hex").slice(0, 16);
}

/** @returns the hash of a key_id as the metrics of the API server have it (k8s.io/apiserver, envelope/metrics.go): sha256: and 64 hex digits */
export function apiServerHash(keyId: string): string {
  return `sha256:${createHash("sha256").update(keyId).digest("hex")}`;
}

/** Returns the log fields of an error. A cause that is a string came from a provider's process and is marked as guest text. */
export function failureFields(error: KleidiError): Record<string, unknown> {
  const { cause } = error;
  return {
    code: error.code,
    hint: error.hint,
    ...(cause === undefined
      ? {}
      : {
          ...(typeof cause === "string" ? { guest: true } : {}),
          cause:
            cause instanceof Error && !(cause instanceof KleidiError)
              ? (cause.stack ?? cause.message)
              : String(cause),
        }),
  };
}
