/** kleidi check: checks the configuration, the modules, the grants and the keys; with --live it also uses them. */
import { checkConfigured } from "../checks/configured.ts";
import { useKeys } from "../checks/keys.ts";
import { loadConfig } from "../config/load.ts";
import { becomeServingUser } from "../runtime/serving-user.ts";
import { report } from "./output.ts";

export interface CheckOptions {
  /** Also start the providers and use the keys, if nothing else is wrong. */
  readonly live: boolean;
  readonly json: boolean;
}

/** @throws KleidiError config-invalid */
export async function checkCommand(configPath: string, { live, json }: CheckOptions): Promise<number> {
  const findings = becomeServingUser(loadConfig(configPath));
  // The serving user must be able to read it.
  const config = loadConfig(configPath);
  findings.push(...(await checkConfigured(config)));
  if (live && findings.every(({ ok }) => ok)) findings.push(...(await useKeys(config)));
  return report(findings, json);
}
