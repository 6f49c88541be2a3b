/** kleidi key refresh: asks the running host to probe its keys now, so that a rotation in the KMS takes effect without a wait. */
import { loadConfig } from "../config/load.ts";
import { remedyOfFault } from "../error.ts";
import type { Finding } from "../finding.ts";
import { askForAction } from "../runtime/admin-client.ts";
import type { RefreshResult } from "../runtime/refresh-keys.ts";
import type { KeyReport } from "../telemetry/report.ts";
import { report } from "./output.ts";

/** @throws KleidiError config-invalid; admin-refused: no host takes the request */
export async function keyRefreshCommand(configPath: string, { json }: { json: boolean }): Promise<number> {
  const { admin } = loadConfig(configPath);
  const { keys } = await askForAction<RefreshResult>(admin, "refresh the keys", "/refresh");
  return report(keys.map(keyFinding), json);
}

function keyFinding({ name, use, version, key_id_sha256: keyId, failure }: KeyReport): Finding {
  const subject = `key ${name}`;
  if (failure !== undefined)
    return { subject, ok: false, detail: failure, hint: remedyOfFault("key-not-ready/refused") };
  return { subject, ok: true, detail: `${use}, version ${version}, key_id sha256 ${keyId}` };
}
