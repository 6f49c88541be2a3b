/**
 * The failures of the host. Every failure that leaves a room is a KleidiError: a fault from the table (error-table.ts), a message that names
 * the action, the limit and the actual value, and a cause that is logged and never sent.
 */
import {
  codeOfFault,
  ERRORS,
  type ErrorCode,
  type ErrorRow,
  type FaultName,
  Grpc,
  remedyOfFault,
} from "./error-table.ts";

export { causesOfCode, ERRORS, type ErrorCode, type FaultName, Grpc, remedyOfFault } from "./error-table.ts";

/** A failure with a fault from the table. `message` may be sent to the API server; `cause` may not. */
export class KleidiError extends Error {
  readonly fault: FaultName;
  readonly code: ErrorCode;

  /**
   * @param fault the code, with its cause where the code has several
   * @param message names the action, the limit and the actual value; contains no text from a backend
   * @param cause text from a backend or the error of a library; logged, never sent
   * @example new KleidiError("deadline/waiting", 'Cannot encrypt with key "k": the KMS did not answer within 2000 ms')
   */
  constructor(fault: FaultName, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "KleidiError";
    this.fault = fault;
    this.code = codeOfFault(fault);
  }

  /** The next step for the operator. */
  get hint(): string {
    return remedyOfFault(this.fault);
  }

  /** The gRPC status code of the RPC; INTERNAL for errors that only commands report. */
  get grpc(): number {
    const row: ErrorRow = ERRORS[this.code];
    return row.grpc ?? Grpc.INTERNAL;
  }
}

/**
 * Converts a thrown value into a KleidiError.
 * @param action the failed action as an infinitive, such as "encrypt"
 * @returns the same error if it is a KleidiError; otherwise a "host-fault" whose message has none of the thrown value's text
 */
export function toKleidiError(error: unknown, action: string): KleidiError {
  if (error instanceof KleidiError) return error;
  return new KleidiError("host-fault", `Cannot ${action}: an unexpected failure in the host`, error);
}
