/** Verifies a log: reads its files once, in the order of their sequences, line by line. */
import { hashOf } from "./chain.ts";
import type { Place } from "./fault.ts";
import { eachLine, sortBySequence } from "./lines.ts";
import type { Verdict, VerifyOptions } from "./verdict.ts";
import { Verifier } from "./verifier.ts";

/**
 * @param files in any order
 * @throws the system's error if a file cannot be read
 */
export function verify(files: readonly string[], options: VerifyOptions): Verdict {
  const ordered = sortBySequence(files);
  const verifier = new Verifier(options);
  for (const file of ordered) {
    verifier.begin(file);
    eachLine(
      file,
      (line) => verifier.line(line),
      (bytes) => verifier.read(bytes),
    );
  }
  return verifier.verdict((hash, until) => containsBefore(ordered, hash, until));
}

/** True if a line with this hash exists before a place. */
function containsBefore(files: readonly string[], hash: string, until: Place): boolean {
  let found = false;
  for (const file of files) {
    eachLine(file, (line) => {
      if (found || (file === until.file && line.number >= until.line)) return false;
      found = hashOf(line.buffer.subarray(line.start, line.end)) === hash;
      return !found;
    });
    if (found || file === until.file) break;
  }
  return found;
}
