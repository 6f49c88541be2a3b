/**
 * The metrics for Prometheus. Labels are names of the configuration or words of a fixed list, so that their number is bounded; text of a
 * guest or a caller is never a label. Each counter exists from the start, so that the first denial is an increase, too.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { ERRORS, type ErrorCode } from "../error.ts";
import {
  BUCKETS,
  CLOSE_REASONS,
  type CounterName,
  CREDENTIAL_EVENTS,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  METRICS,
  PROBE_RESULTS,
  PROVIDER_STATES,
  VERDICTS,
} from "./metric-table.ts";

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
export interface SocketSample {
  readonly connections: number;
  readonly requests: number;
  readonly arrivingBytes: number;
}

/** An event of a provider's credential, as the capability net reports it. */
export interface CredentialSample {
  readonly provider: string;
  readonly event: (typeof CREDENTIAL_EVENTS)[number];
  /** When the credential expires, in milliseconds since 1970. */
  readonly expires?: number | undefined;
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

export interface MetricsOptions {
  readonly version: string;
  /** The wall around providers' processes. */
  readonly wall: string;
  readonly intervalMs: number;
  readonly providers: readonly {
    readonly name: string;
    readonly sha256: string;
    readonly inFlightLimit: number;
    readonly waitingLimit: number;
    /** It has a credential; the events of the credential are counted. */
    readonly credential: boolean;
  }[];
  /** Capabilities that a provider can ask the host for. */
  readonly capabilities: readonly string[];
  readonly keys: readonly string[];
}

const RPCS = ["Status", "Encrypt", "Decrypt"] as const;
const UNKNOWN = "unknown";

export class Metrics {
  readonly #registry = new Registry();
  readonly #options: MetricsOptions;
  readonly #capabilities: ReadonlySet<string>;
  readonly #rpcs = this.#counter("kleidi_rpcs_total");
  readonly #durations = this.#histogram("kleidi_rpc_duration_seconds");
  readonly #overheads = this.#histogram("kleidi_rpc_overhead_seconds");
  readonly #hostCalls = this.#counter("kleidi_host_calls_total");
  readonly #hostCallDurations = this.#histogram("kleidi_host_call_duration_seconds");
  readonly #probes = this.#counter("kleidi_key_probes_total");
  readonly #versions = this.#counter("kleidi_key_version_changes_total");
  readonly #credentials = this.#counter("kleidi_credential_events_total");
  readonly #closes = this.#counter("kleidi_connections_closed_total");
  readonly #adminFailures = this.#counter("kleidi_admin_listen_failures_total");
  readonly #expiries = this.#gauge("kleidi_credential_expiry_timestamp_seconds");
  /** Sets the metrics that are read at a scrape. */
  readonly #setters: readonly ((samples: MetricSamples) => void)[];

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#capabilities = new Set(options.capabilities);
    collectDefaultMetrics({ register: this.#registry });
    // Gauges whose names end as counters' do; the same numbers are there by type.
    for (const what of ["handles", "requests", "resources"])
      this.#registry.removeSingleMetric(`nodejs_active_${what}_total`);
    this.#setConstants();
    this.#zeroCounters();
    this.#setters = [this.#providerSetter(), this.#keySetter(), this.#auditSetter(), this.#socketSetter()];
  }

  /** @returns the text format of Prometheus */
  async scrape(samples: MetricSamples): Promise<string> {
    for (const set of this.#setters) set(samples);
    return await this.#registry.metrics();
  }

  /** @param waitedMs the part of `ms` in which the provider waited for a TPM or a KMS */
  rpc(rpc: (typeof RPCS)[number], code: ErrorCode | "ok", ms: number, waitedMs: number): void {
    this.#rpcs.inc({ rpc, code });
    this.#durations.observe({ rpc }, ms / 1000);
    this.#overheads.observe({ rpc }, Math.max(0, ms - waitedMs) / 1000);
  }

  hostCall(provider: string, capability: string, verdict: (typeof VERDICTS)[number]): void {
    this.#hostCalls.inc({ provider, capability: this.#known(capability), verdict });
  }

  /** Called when an allowed host call has finished. */
  hostCallDone(provider: string, capability: string, ms: number): void {
    this.#hostCallDurations.observe({ provider, capability: this.#known(capability) }, ms / 1000);
  }

  probe(key: string, result: (typeof PROBE_RESULTS)[number]): void {
    this.#probes.inc({ key, result });
  }

  versionChanged(key: string): void {
    this.#versions.inc({ key });
  }

  /** A connection exceeded a limit. */
  connectionClosed<Listener extends keyof typeof CLOSE_REASONS>(
    listener: Listener,
    reason: (typeof CLOSE_REASONS)[Listener][number],
  ): void {
    this.#closes.inc({ listener, reason });
  }

  adminListenFailed(): void {
    this.#adminFailures.inc();
  }

  credential({ provider, event, expires }: CredentialSample): void {
    this.#credentials.inc({ provider, event });
    if (expires !== undefined) this.#expiries.set({ provider }, expires / 1000);
  }

  #known(capability: string): string {
    return this.#capabilities.has(capability) ? capability : UNKNOWN;
  }

  #setConstants(): void {
    const { version, wall, intervalMs, providers } = this.#options;
    this.#gauge("kleidi_build_info").set({ version }, 1);
    this.#gauge("kleidi_wall_info").set({ wall }, 1);
    this.#gauge("kleidi_probe_interval_seconds").set(intervalMs / 1000);
    const info = this.#gauge("kleidi_provider_info");
    const inFlight = this.#gauge("kleidi_provider_calls_in_flight_limit");
    const waiting = this.#gauge("kleidi_provider_calls_waiting_limit");
    for (const { name: provider, sha256, inFlightLimit, waitingLimit } of providers) {
      info.set({ provider, sha256 }, 1);
      inFlight.set({ provider }, inFlightLimit);
      waiting.set({ provider }, waitingLimit);
    }
  }

  #zeroCounters(): void {
    const { providers, capabilities, keys } = this.#options;
    const codes = Object.entries(ERRORS).flatMap(([code, row]) => ("grpc" in row ? [code] : []));
    for (const rpc of RPCS) {
      for (const code of ["ok", ...codes]) this.#rpcs.inc({ rpc, code }, 0);
      for (const histogram of [this.#durations, this.#overheads]) histogram.zero({ rpc });
    }
    for (const { name: provider, credential } of providers) {
      for (const capability of [...capabilities, UNKNOWN])
        for (const verdict of VERDICTS) this.#hostCalls.inc({ provider, capability, verdict }, 0);
      if (credential) for (const event of CREDENTIAL_EVENTS) this.#credentials.inc({ provider, event }, 0);
    }
    for (const key of keys) {
      this.#versions.inc({ key }, 0);
      for (const result of PROBE_RESULTS) this.#probes.inc({ key, result }, 0);
    }
    for (const [listener, reasons] of Object.entries(CLOSE_REASONS))
      for (const reason of reasons) this.#closes.inc({ listener, reason }, 0);
  }

  #providerSetter() {
    const loaded = this.#gauge("kleidi_provider_processes");
    const open = this.#gauge("kleidi_provider_calls_in_flight");
    const queued = this.#gauge("kleidi_provider_calls_waiting");
    const states = this.#gauge("kleidi_provider_state");
    const exits = this.#counter("kleidi_provider_process_ends_total");
    return ({ providers }: MetricSamples) => {
      exits.reset();
      for (const { name: provider, state, processes, ends, inFlight, waiting } of providers) {
        loaded.set({ provider }, processes);
        open.set({ provider }, inFlight);
        queued.set({ provider }, waiting);
        for (const each of PROVIDER_STATES) states.set({ provider, state: each }, each === state ? 1 : 0);
        exits.inc({ provider }, ends);
      }
    };
  }

  #keySetter() {
    const hostReady = this.#gauge("kleidi_ready");
    const keyReady = this.#gauge("kleidi_key_ready");
    const info = this.#gauge("kleidi_key_info");
    const lastGoodProbe = this.#gauge("kleidi_key_last_good_probe_timestamp_seconds");
    const statusAge = this.#gauge("kleidi_status_age_seconds");
    return ({ ready, keys }: MetricSamples) => {
      hostReady.set(ready ? 1 : 0);
      // Without it, the series of earlier versions would stay.
      info.reset();
      for (const { name: key, provider, use, ready, keyIdSha256, goodAgeMs } of keys) {
        keyReady.set({ key, provider, use }, ready ? 1 : 0);
        if (keyIdSha256 !== undefined) info.set({ key, provider, use, key_id_sha256: keyIdSha256 }, 1);
        if (goodAgeMs !== undefined) lastGoodProbe.set({ key }, (Date.now() - goodAgeMs) / 1000);
        if (use === "active") statusAge.set((goodAgeMs ?? performance.now()) / 1000);
      }
    };
  }

  #auditSetter() {
    const lines = this.#gauge("kleidi_audit_lag_lines");
    const bytes = this.#gauge("kleidi_audit_lag_bytes");
    const untrusted = this.#gauge("kleidi_audit_untrusted_files");
    const failures = this.#counter("kleidi_audit_failures_total");
    // A host without an audit log has none of these series.
    for (const gauge of [lines, bytes, untrusted]) gauge.remove();
    return ({ audit }: MetricSamples) => {
      if (audit === undefined) return;
      lines.set(audit.lagLines);
      bytes.set(audit.lagBytes);
      untrusted.set(audit.untrusted);
      failures.reset();
      failures.inc(audit.failures);
    };
  }

  #socketSetter() {
    const connections = this.#gauge("kleidi_connections");
    const requests = this.#gauge("kleidi_requests_open");
    const arriving = this.#gauge("kleidi_requests_arriving_bytes");
    return ({ socket }: MetricSamples) => {
      if (socket === undefined) return;
      connections.set(socket.connections);
      requests.set(socket.requests);
      arriving.set(socket.arrivingBytes);
    };
  }

  #counter<Name extends CounterName>(name: Name) {
    return new Counter<LabelsOf<Name>>(this.#row<Name>(name));
  }

  #gauge<Name extends GaugeName>(name: Name) {
    return new Gauge<LabelsOf<Name>>(this.#row<Name>(name));
  }

  #histogram<Name extends HistogramName>(name: Name) {
    return new Histogram<LabelsOf<Name>>({ ...this.#row<Name>(name), buckets: BUCKETS });
  }

  #row<Name extends CounterName | GaugeName | HistogramName>(name: Name) {
    const { help, labels } = METRICS[name];
    return { name, help, labelNames: [...labels] as LabelsOf<Name>[], registers: [this.#registry] };
  }
}
