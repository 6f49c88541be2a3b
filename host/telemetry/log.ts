/** The host's log: JSON lines through pino. Causes are written here and nowhere else. */
import { createHash } from "node:crypto";
import pino, { type Logger } from "pino";
import { KleidiError } from "../error.ts";

export type { Logger };

export interface LogOptions {
  readonly level: string;
  /** Absent: stderr. */
  readonly file?: string;
}

/** Lines are written at once: what a killed host said last is what its operator needs. */
export function createLog({ level, file }: LogOptions): Logger {
  const destination = pino.destination({ dest: file ?? 2, sync: true, mkdir: false });
  const write = destination.write.bind(destination);
  let lost = 0;
  // A log that cannot be written (a full disk) must not end the host: the lines are counted, and the count is told when it can be.
  destination.on("error", () => {});
  destination.write = (line: string) => {
    try {
      if (lost > 0) {
        const text = `${lost} lines before this one could not be written`;
        write(
          `${JSON.stringify({ level: 50, time: new Date().toISOString(), service: "kleidi", msg: text })}\n`,
        );
        lost = 0;
      }
      return write(line);
    } catch {
      lost += 1;
      return false;
    }
  };
  return pino({ level, base: { service: "kleidi" }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** How a log names a key: the id itself is what an attacker with etcd would look for. */
export function keyIdHash(keyId: string): string {
  return createHash("sha256").update(keyId).digest("hex").slice(0, 16);
}

/** The fields of a failure. */
export function failureFields(error: KleidiError): Record<string, unknown> {
  const { cause } = error;
  return {
    code: error.code,
    hint: error.hint,
    ...(cause === undefined
      ? {}
      : {
          cause:
            cause instanceof Error && !(cause instanceof KleidiError)
              ? (cause.stack ?? cause.message)
              : String(cause),
        }),
  };
}
