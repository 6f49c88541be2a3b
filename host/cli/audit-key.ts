/** kleidi audit key: creates the key that signs checkpoints. Nobody can rewrite a signed log without it. */
import { dirname, resolve } from "node:path";
import { keyIdOf, publicLine } from "../audit/checkpoint.ts";
import { createAuditKey } from "../runtime/create-audit-key.ts";
import { becomeOwner } from "../runtime/serving-user.ts";
import { EXIT, print } from "./output.ts";

/** As root, the key belongs to the owner of its folder. @param file the path of the new private key @throws KleidiError, it exists or cannot be written */
export function auditKeyCommand(file: string, { json }: { readonly json: boolean }): number {
  becomeOwner([dirname(resolve(file))]);
  const publicKey = createAuditKey(file);
  const created = { file, id: keyIdOf(publicKey), public: publicLine(publicKey) };
  print(json ? JSON.stringify({ ok: true, ...created }, null, 2) : created.public);
  if (!json)
    process.stderr.write(
      `Created ${file}, key ${created.id}. The line above is its public key: keep it on another machine, for "kleidi audit verify --key".\n`,
    );
  return EXIT.SUCCESS;
}
