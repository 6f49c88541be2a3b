/** kleidi audit key and kleidi audit export: what makes a log that was written anew tell from the one that was. */
import { keyIdOf, publicLine } from "../audit/checkpoint.ts";
import { exportCheckpoints } from "../audit/export.ts";
import { harmless } from "../audit/render.ts";
import { logFiles } from "./audit-files.ts";
import { LineWriter } from "./line-writer.ts";
import { makeAuditKey } from "./make-audit-key.ts";
import { EXIT, print } from "./output.ts";

export function auditKeyCommand(file: string, { json }: { readonly json: boolean }): number {
  const publicKey = makeAuditKey(file);
  const made = { file, id: keyIdOf(publicKey), public: publicLine(publicKey) };
  print(json ? JSON.stringify({ ok: true, ...made }, null, 2) : made.public);
  if (!json)
    process.stderr.write(
      `Made ${file}, the key ${made.id}. The line is its public key: keep it where the log is not, for "kleidi audit verify --key".\n`,
    );
  return EXIT.GOOD;
}

export function auditExportCommand(given: readonly string[]): number {
  const { files } = logFiles(given);
  const out = new LineWriter();
  const count = exportCheckpoints(files, (line) => out.write(harmless(line)));
  out.flush();
  process.stderr.write(`${count} checkpoints\n`);
  return count > 0 ? EXIT.GOOD : EXIT.FOUND;
}
