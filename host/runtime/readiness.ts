/** Readiness of a host: `/readyz`, the metric kleidi_ready and the state report. */
import { KleidiError } from "../error.ts";
import type { KmsService } from "../kms/service.ts";
import type { AuditTrail } from "./audit-trail.ts";

/**
 * Returns the reason why a host is not ready: the error of Status, or the audit log takes no records.
 * @returns a sentence; undefined if the host is ready
 */
export function notReadyReason(
  service: Pick<KmsService, "activeKeyId">,
  audit?: Pick<AuditTrail, "assertReady">,
): string | undefined {
  try {
    service.activeKeyId();
    audit?.assertReady();
    return undefined;
  } catch (error) {
    return error instanceof KleidiError ? error.message : "Status failed in the host";
  }
}
