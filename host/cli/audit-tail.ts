/** kleidi audit tail: prints the last records and every new one, until it is interrupted. */
import { recordOf } from "../audit/chain.ts";
import { follow } from "../audit/follow.ts";
import { render } from "../audit/render.ts";
import { escapeForTerminal } from "../lib/text.ts";
import { assertRegular, readable } from "./audit-files.ts";
import { EXIT, print } from "./output.ts";

export interface AuditTailOptions {
  readonly json: boolean;
  readonly lines: number;
}

/** @param file the current file of the log @throws UsageError, it cannot be read */
export async function auditTailCommand(file: string, { json, lines }: AuditTailOptions): Promise<number> {
  assertRegular(file);
  const stop = readable(file, () =>
    follow(file, lines, (line) => {
      const record = json ? undefined : recordOf(line);
      print(record === undefined ? escapeForTerminal(line) : render(record));
    }),
  );
  await new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
  });
  stop();
  return EXIT.SUCCESS;
}
