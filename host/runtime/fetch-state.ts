/** Gets the state report of a running host from its admin listener. */
import type { AdminConfig } from "../config/config.ts";
import type { HostReport } from "../telemetry/report.ts";
import { askAdmin, isNotListening } from "./admin-client.ts";

// A machine that starts a control plane is slow, and an operator waits for the report.
const TIMEOUT_MS = 5000;

/**
 * @returns undefined if no process listens on the address
 * @throws Error the process that listens there does not answer with a state report
 */
export async function fetchStateReport(admin: AdminConfig): Promise<HostReport | undefined> {
  const answer = await askAdmin(admin, { method: "GET", path: "/state", timeoutMs: TIMEOUT_MS }).catch(
    (error: Error) => {
      if (isNotListening(admin, error)) return undefined;
      throw error;
    },
  );
  if (answer === undefined) return undefined;
  if (answer.status !== 200) throw new Error(`the answer is HTTP ${answer.status}`);
  const report: Partial<HostReport> | null = JSON.parse(answer.text);
  if (typeof report?.providers !== "object" || !Array.isArray(report.keys))
    throw new Error("not a kleidi state report");
  return report as HostReport;
}
