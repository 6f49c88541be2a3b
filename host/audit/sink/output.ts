/** The interface of outputs. A feed calls one operation at a time, and does the queueing and retrying. */
import { KleidiError } from "../../error.ts";
import type { Line } from "../chain.ts";

export interface Written {
  /** The number of lines that were completely written. */
  readonly taken: number;
  /** The error, if not all lines were written. */
  readonly error?: Error | undefined;
}

/** A line for an output. */
export interface OutputLine extends Line {
  /** True if a new file begins with this line. */
  readonly startsFile?: boolean;
}

export interface Output {
  /** The name in records. */
  readonly name: "file" | "stdout";
  /** The name in errors. */
  readonly label: string;
  /** Writes lines; never rejects. Only the first line may begin a new file. */
  write(lines: readonly OutputLine[]): Promise<Written>;
  /** Syncs all written lines to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The output is permanently closed: retrying is useless. */
export class ClosedOutputError extends Error {}

/** Returns the code of a system error, or the message of another error. */
export function codeOf(error: unknown): string {
  if (error instanceof KleidiError) return error.message;
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

/** Returns how many lines are complete within a number of bytes, and the size of those lines with their newlines. */
export function countWhole(lines: readonly Line[], bytes: number): { taken: number; size: number } {
  let size = 0;
  let taken = 0;
  for (const { text } of lines) {
    if (size + text.length + 1 > bytes) break;
    size += text.length + 1;
    taken += 1;
  }
  return { taken, size };
}

export function bytesOf(lines: readonly Line[]): Buffer {
  return Buffer.from(`${lines.map(({ text }) => text).join("\n")}\n`, "latin1");
}
