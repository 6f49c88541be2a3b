/** The metrics that are read at a scrape: the state of the host's parts at that moment, and how it becomes numbers. */
import type { MetricRegistry } from "./metric-registry.ts";
import { PROVIDER_STATES } from "./metric-table.ts";

/** The state of a provider at a scrape. */
export interface ProviderSample {
  readonly name: string;
  readonly state: string;
  readonly processes: number;
  readonly ends: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/** The state of a key at a scrape. */
export interface KeySample {
  readonly name: string;
  readonly provider: string;
  readonly use: string;
  readonly ready: boolean;
  /** The number of members that a composed key encrypts without; absent for another key. */
  readonly membersLeftOut?: number | undefined;
  /** Absent before the first good probe. */
  readonly keyIdSha256?: string | undefined;
  /** Milliseconds since its last good probe; absent before the first one. */
  readonly goodAgeMs?: number | undefined;
}

/** The state of the audit log at a scrape. */
export interface AuditSample {
  readonly lagLines: number;
  readonly lagBytes: number;
  /** Since the start. */
  readonly failures: number;
  /** Files beside the log, counted at the start, that a host did not trust and set aside. */
  readonly untrusted: number;
}

/** The state of the KMS socket at a scrape. */
interface SocketSample {
  readonly connections: number;
  readonly requests: number;
  readonly arrivingBytes: number;
}

/** Everything that is read at a scrape and not counted here. */
export interface MetricSamples {
  readonly ready: boolean;
  readonly providers: readonly ProviderSample[];
  readonly keys: readonly KeySample[];
  /** Absent: there is no audit log. */
  readonly audit?: AuditSample | undefined;
  readonly socket?: SocketSample | undefined;
}

type SampleSetter = (samples: MetricSamples) => void;

/** @returns functions that set the metrics of a sample */
export function sampleSetters(registry: MetricRegistry): readonly SampleSetter[] {
  return [providerSetter, keySetter, auditSetter, socketSetter].map((setter) => setter(registry));
}

function providerSetter(registry: MetricRegistry): SampleSetter {
  const loaded = registry.gauge("kleidi_provider_processes");
  const open = registry.gauge("kleidi_provider_calls_in_flight");
  const queued = registry.gauge("kleidi_provider_calls_waiting");
  const states = registry.gauge("kleidi_provider_state");
  const exits = registry.counter("kleidi_provider_process_ends_total");
  return ({ providers }) => {
    // A reload may have removed providers.
    for (const metric of [loaded, open, queued, states, exits]) metric.reset();
    for (const { name: provider, state, processes, ends, inFlight, waiting } of providers) {
      loaded.set({ provider }, processes);
      open.set({ provider }, inFlight);
      queued.set({ provider }, waiting);
      for (const each of PROVIDER_STATES) states.set({ provider, state: each }, each === state ? 1 : 0);
      exits.inc({ provider }, ends);
    }
  };
}

function keySetter(registry: MetricRegistry): SampleSetter {
  const hostReady = registry.gauge("kleidi_ready");
  const keyReady = registry.gauge("kleidi_key_ready");
  const info = registry.gauge("kleidi_key_info");
  const leftOut = registry.gauge("kleidi_key_members_left_out");
  const lastGoodProbe = registry.gauge("kleidi_key_last_good_probe_timestamp_seconds");
  const statusAge = registry.gauge("kleidi_status_age_seconds");
  return ({ ready, keys }) => {
    hostReady.set(ready ? 1 : 0);
    // Without it, the series of earlier versions and of removed keys would stay.
    for (const gauge of [keyReady, info, leftOut, lastGoodProbe]) gauge.reset();
    for (const { name: key, provider, use, ready, membersLeftOut, keyIdSha256, goodAgeMs } of keys) {
      if (membersLeftOut !== undefined) leftOut.set({ key }, membersLeftOut);
      keyReady.set({ key, provider, use }, ready ? 1 : 0);
      if (keyIdSha256 !== undefined) info.set({ key, provider, use, key_id_sha256: keyIdSha256 }, 1);
      if (goodAgeMs !== undefined) lastGoodProbe.set({ key }, (Date.now() - goodAgeMs) / 1000);
      if (use === "active") statusAge.set((goodAgeMs ?? performance.now()) / 1000);
    }
  };
}

function auditSetter(registry: MetricRegistry): SampleSetter {
  const lines = registry.gauge("kleidi_audit_lag_lines");
  const bytes = registry.gauge("kleidi_audit_lag_bytes");
  const untrusted = registry.gauge("kleidi_audit_untrusted_files");
  const failures = registry.counter("kleidi_audit_failures_total");
  // A host without an audit log has none of these series.
  for (const gauge of [lines, bytes, untrusted]) gauge.remove();
  return ({ audit }) => {
    if (audit === undefined) return;
    lines.set(audit.lagLines);
    bytes.set(audit.lagBytes);
    untrusted.set(audit.untrusted);
    failures.reset();
    failures.inc(audit.failures);
  };
}

function socketSetter(registry: MetricRegistry): SampleSetter {
  const connections = registry.gauge("kleidi_connections");
  const requests = registry.gauge("kleidi_requests_open");
  const arriving = registry.gauge("kleidi_requests_arriving_bytes");
  return ({ socket }) => {
    if (socket === undefined) return;
    connections.set(socket.connections);
    requests.set(socket.requests);
    arriving.set(socket.arrivingBytes);
  };
}
