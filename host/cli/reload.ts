/** kleidi reload: asks the running host to read its configuration again, and waits for the verdict. */
import { loadConfig } from "../config/load.ts";
import { askForAction } from "../runtime/admin-client.ts";
import type { ReloadResult } from "../runtime/reload-host.ts";
import { report } from "./output.ts";

/** @throws KleidiError config-invalid; admin-refused: no host takes the request */
export async function reloadCommand(configPath: string, { json }: { json: boolean }): Promise<number> {
  const { admin } = loadConfig(configPath);
  const { ok, detail, hint } = await askForAction<ReloadResult>(admin, "reload the host", "/reload");
  return report([{ subject: "reload", ok, detail, hint }], json);
}
