/** What lines are written to. A feed asks for one thing at a time and takes care of everything else. */
import { KleidiError } from "../../error.ts";
import type { Line } from "../chain.ts";

export interface Written {
  /** So many of the lines are written, whole; of the next one, nothing is left behind. */
  readonly taken: number;
  /** Why it is not all of them. */
  readonly error?: Error | undefined;
}

/** A line for an output. */
export interface OutputLine extends Line {
  /** A new file begins with this line. */
  readonly startsFile?: boolean;
}

export interface Output {
  /** Its name in records. */
  readonly name: "file" | "stdout";
  /** Its name in errors. */
  readonly label: string;
  /** Never rejects. Only the first line may begin a new file. */
  write(lines: readonly OutputLine[]): Promise<Written>;
  /** Down to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** An output that is gone for good: trying again is of no use. */
export class ClosedOutputError extends Error {}

/** The system's name of a failure; where it is our own, its sentence. */
export function codeOf(error: unknown): string {
  if (error instanceof KleidiError) return error.message;
  return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
}

/** How many lines are whole in so many bytes, and their bytes. A line's newline counts. */
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
