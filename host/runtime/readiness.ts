/** Readiness of a host: `/readyz`, the metric kleidi_ready and the state report. */
import { KleidiError } from "../error.ts";
import type { KmsServer } from "../grpc/server.ts";
import type { KmsService } from "../kms/service.ts";
import type { AuditTrail } from "./audit-trail.ts";

/**
 * Returns the reason why a host is not ready: the error of Status, the audit log takes no records, or the socket cannot be bound again.
 * @returns a sentence; undefined if the host is ready
 */
export function notReadyReason(
  service: Pick<KmsService, "activeKeyId">,
  audit?: Pick<AuditTrail, "assertReady">,
  server?: Pick<KmsServer, "assertReachable">,
): string | undefined {
  try {
    service.activeKeyId();
    audit?.assertReady();
    server?.assertReachable();
    return undefined;
  } catch (error) {
    return error instanceof KleidiError ? error.message : "Status failed in the host";
  }
}
