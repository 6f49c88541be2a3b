/** The action POST /reload: reads the configuration again, as SIGHUP does, and replies with the verdict. */
import type { ErrorCode } from "../error.ts";
import type { ActionResult } from "../telemetry/admin-actions.ts";
import type { Reloader } from "./reload.ts";

export interface ReloadResult extends ActionResult {
  /** One sentence. */
  readonly detail: string;
  /** The next step, if it was refused. */
  readonly hint?: string;
  readonly code?: ErrorCode;
}

export async function reloadHost(reloader: Pick<Reloader, "reload">): Promise<ReloadResult> {
  const verdict = await reloader.reload();
  if (verdict.outcome === "refused") {
    const { code, message, hint } = verdict.failure;
    return { ok: false, detail: message, hint, code };
  }
  const { config, opened, closed, addedKeys, removedKeys } = verdict;
  const changes = [
    ["providers started", opened],
    ["providers ended", closed],
    ["keys added", addedKeys],
    ["keys removed", removedKeys],
  ] as const;
  const named = changes.flatMap(([what, names]) =>
    names.length === 0 ? [] : [`${what}: ${names.join(", ")}`],
  );
  const digest = `configuration sha256 ${config.sha256.slice(0, 16)}…`;
  return { ok: true, detail: ["the host serves with it", digest, ...named].join("; ") };
}
