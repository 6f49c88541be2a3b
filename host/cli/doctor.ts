/** kleidi doctor: runs the checks of `kleidi check`, then examines each TPM and the path to each origin. */
import { checkConfigured } from "../checks/configured.ts";
import { EXAMINED, examineCapabilities } from "../checks/examined.ts";
import { useKeys } from "../checks/keys.ts";
import { loadConfig } from "../config/load.ts";
import type { CheckOptions } from "./check.ts";
import { report } from "./output.ts";

/** @throws KleidiError config-invalid */
export async function doctorCommand(configPath: string, { live, json }: CheckOptions): Promise<number> {
  const config = loadConfig(configPath);
  const findings = await checkConfigured(config, EXAMINED);
  if (live && findings.every(({ ok }) => ok)) findings.push(...(await useKeys(config)));
  findings.push(...(await examineCapabilities(config)));
  return report(findings, json);
}
