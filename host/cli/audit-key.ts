/** kleidi audit key: makes the key without which nobody can write the log again. */
import { keyIdOf, publicLine } from "../audit/checkpoint.ts";
import { makeAuditKey } from "../runtime/make-audit-key.ts";
import { EXIT, print } from "./output.ts";

export function auditKeyCommand(file: string, { json }: { readonly json: boolean }): number {
  const publicKey = makeAuditKey(file);
  const made = { file, id: keyIdOf(publicKey), public: publicLine(publicKey) };
  print(json ? JSON.stringify({ ok: true, ...made }, null, 2) : made.public);
  if (!json)
    process.stderr.write(
      `Made ${file}, the key ${made.id}. The line is its public key: keep it where the log is not, for "kleidi audit verify --key".\n`,
    );
  return EXIT.SUCCESS;
}
