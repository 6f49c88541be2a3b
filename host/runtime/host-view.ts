/** A running host as its admin listener sees it. Everything is read when a caller asks for it. */
import type { Config } from "../config/config.ts";
import type { KmsServer } from "../grpc/server.ts";
import { type Keyset, leftOut, providerText } from "../kms/keyset.ts";
import type { Prober } from "../kms/prober.ts";
import type { KmsService } from "../kms/service.ts";
import { keyIdHash } from "../telemetry/log.ts";
import type { KeySample, MetricSamples } from "../telemetry/metric-samples.ts";
import type { Recorder } from "../telemetry/recorder.ts";
import type { AuditTrail } from "./audit-trail.ts";
import type { HostIdentity } from "./host-identity.ts";
import type { Providers } from "./providers.ts";
import { notReadyReason } from "./readiness.ts";
import { NEVER_STARTED } from "./refused-provider.ts";
import type { Reloader } from "./reload.ts";

/** The set that serves. */
export interface SetView {
  readonly config: Pick<Config, "sha256">;
  readonly providers: Pick<Providers, "all" | "refused">;
  readonly keyset: Keyset;
  readonly service: Pick<KmsService, "activeKeyId">;
  readonly prober: Pick<Prober, "refresh">;
}

export interface HostView {
  readonly identity: HostIdentity;
  readonly serving: { readonly current: SetView };
  readonly reloader: Pick<Reloader, "last">;
  readonly server: Pick<KmsServer, "sample" | "assertReachable">;
  /** Absent: there is no audit log. */
  readonly audit?: Pick<AuditTrail, "assertReady" | "sample" | "sinks"> | undefined;
  readonly recorder: Recorder;
}

/** The values of a scrape. */
export function metricSamples(view: HostView): MetricSamples {
  const { server, audit, recorder } = view;
  const { providers, service, keyset } = view.serving.current;
  return {
    ready: notReadyReason(service, audit, server) === undefined,
    providers: [
      ...providers.all.map(({ config, supervisor }) => ({ name: config.name, ...supervisor.state() })),
      ...providers.refused.map(({ name }) => ({ name, ...NEVER_STARTED })),
    ],
    keys: keySamples(keyset, recorder),
    audit: audit?.sample(),
    socket: server.sample(),
  };
}

function keySamples(keyset: Keyset, recorder: Recorder): KeySample[] {
  return keyset.states().map(({ key, current, failure }) => ({
    name: key.name,
    membersLeftOut: key.members && leftOut({ key, ...(current && { current }) }).length,
    provider: providerText(key),
    use: key.use,
    ready: current !== undefined && failure === undefined,
    keyIdSha256: current && keyIdHash(current.keyId),
    goodAgeMs: recorder.lastProbe(key.name)?.goodAgeMs,
  }));
}
