/** The host's log: JSON lines through pino. Causes are written here and nowhere else. */
import { createHash } from "node:crypto";
import { constants, fstatSync, openSync, type Stats, statSync, writeSync } from "node:fs";
import pino, { type Logger } from "pino";
import { KleidiError } from "../error.ts";
import { typeFault } from "../lib/files.ts";

export type { Logger };

export interface LogOptions {
  readonly level: string;
  /** Absent: stderr. */
  readonly file?: string;
}

/**
 * Lines are written at once: what a killed host said last is what its operator needs.
 * @throws KleidiError config-invalid, the file cannot be opened
 */
export function createLog({ level, file }: LogOptions): Logger {
  const descriptor = file === undefined ? 2 : open(file);
  const destination = lossy((text) => {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
  });
  return pino({ level, base: { service: "kleidi" }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** A log that cannot be written (a full disk) must not end the host: lines are counted, and the count is told when it can be. */
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
    // Not blocking: a named pipe that took its place would hold the start for ever.
    const descriptor = openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0o640);
    assertNoPipe(action, fstatSync(descriptor));
    return descriptor;
  } catch (error) {
    if (error instanceof KleidiError) throw error;
    const reason = (error as NodeJS.ErrnoException).code ?? "unknown";
    throw new KleidiError("config-invalid", `${action}: the system refuses it (${reason})`, error);
  }
}

/** A pipe waits for its reader; a device takes what it is given. A host that cannot open its log ends: nothing is closed here. */
function assertNoPipe(action: string, status: Stats): void {
  const fault = status.isCharacterDevice() ? undefined : typeFault(status);
  if (fault === undefined) return;
  const remedy = "name a regular file, or leave log.file out for stderr";
  throw new KleidiError("config-invalid", `${action}: it ${fault.what}; ${remedy}`);
}

/** How a log names a key: the id itself is what an attacker with etcd would look for. */
export function keyIdHash(keyId: string): string {
  return createHash("sha256").update(keyId).digest("hex").slice(0, 16);
}

/** The fields of a failure. A cause that is a text came out of a provider's process: it is marked as a guest's lines are. */
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
