/** In place of abort.ts in a build for development: the host's log has the text and the line of a failed check. */
import { decimal, utf8 } from "./bytes";
import { toBlock } from "./extism";
import { error_set } from "./imports";

export function report(message: string | null, file: string | null, line: u32, column: u32): void {
  const text = message == null ? "abort" : message;
  const place = file == null ? "" : " in " + file + ":" + decimal(line) + ":" + decimal(column);
  error_set(toBlock(utf8(text + place)));
  unreachable();
}
