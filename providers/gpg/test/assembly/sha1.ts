/** For providers/gpg.test.ts: the gpg provider's SHA-1 of the input. */
import { sha1 } from "../../assembly/sha1";
import "../../../../sdk/assemblyscript/assembly/abort";
import { readInput, writeOutput } from "../../../../sdk/assemblyscript/assembly/extism";

export function digest(): i32 {
  writeOutput(sha1(readInput()));
  return 0;
}
