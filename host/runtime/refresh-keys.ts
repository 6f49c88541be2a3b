/** The action POST /refresh: probes every key now, as after a rotation in the KMS. */
import type { ActionResult } from "../telemetry/admin-actions.ts";
import type { KeyReport } from "../telemetry/report.ts";
import type { HostView } from "./host-view.ts";
import { keyReports } from "./state-report.ts";

export interface RefreshResult extends ActionResult {
  readonly keys: readonly KeyReport[];
}

/** @returns the keys after their probes; ok if all of them are usable */
export async function refreshKeys(view: HostView): Promise<RefreshResult> {
  const { prober, keyset } = view.serving.current;
  await prober.refresh();
  const keys = keyReports(keyset, view.recorder);
  return { ok: keys.every(({ failure }) => failure === undefined), keys };
}
