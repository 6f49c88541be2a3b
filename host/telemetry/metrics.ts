/**
 * The Prometheus metrics. Label values are names from the configuration or words of a fixed list, so their number is bounded; text of a
 * guest or a caller is never a label. All series exist from the start, so that the first event counts as an increase.
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

/** The sandbox's numbers for a provider; read at each scrape. */
export interface ProviderSample {
  readonly name: string;
  readonly state: string;
  readonly processes: number;
  readonly ends: number;
  readonly inFlight: number;
  readonly waiting: number;
}

/** The state of a key; read at each scrape. */
export interface KeySample {
  readonly name: string;
  readonly provider: string;
  readonly use: string;
  readonly ready: boolean;
  /** Absent before the first successful probe. */
  readonly keyIdSha256?: string | undefined;
  /** Milliseconds since the last good probe; absent if there was none. */
  readonly goodAgeMs?: number | undefined;
}

/** The numbers of the audit log; read at each scrape. */
export interface AuditSample {
  readonly lagLines: number;
  readonly lagBytes: number;
  /** Since the start. */
  readonly failures: number;
  /** Files beside the log that a host set aside because it did not trust them; counted at the start. */
  readonly untrusted: number;
}

/** The numbers of the KMS socket; read at each scrape. */
export interface SocketSample {
  readonly connections: number;
  readonly requests: number;
  readonly arrivingBytes: number;
}

/** An event of a provider's credential, reported by the capability net. */
export interface CredentialSample {
  readonly provider: string;
  readonly event: (typeof CREDENTIAL_EVENTS)[number];
  /** When the credential expires, in milliseconds since 1970. */
  readonly expires?: number | undefined;
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
    /** True if the provider has a credential, whose events are counted. */
    readonly credential: boolean;
  }[];
  /** Capabilities that a provider can ask the host for. */
  readonly capabilities: readonly string[];
  readonly keys: readonly string[];
  readonly ready: () => boolean;
  readonly providerSamples: () => readonly ProviderSample[];
  readonly keySamples: () => readonly KeySample[];
  readonly audit?: (() => AuditSample) | undefined;
  readonly socket?: (() => SocketSample) | undefined;
}

const RPCS = ["Status", "Encrypt", "Decrypt"] as const;
const UNKNOWN = "unknown";

export class Metrics {
  readonly #registry = new Registry();
  /** The samples of the current scrape, by the function that reads them. */
  readonly #read = new Map<() => unknown, unknown>();
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

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#capabilities = new Set(options.capabilities);
    collectDefaultMetrics({ register: this.#registry });
    // Gauges with the suffix of a counter; the same numbers exist by type.
    for (const name of ["handles", "requests", "resources"])
      this.#registry.removeSingleMetric(`nodejs_active_${name}_total`);
    this.#addConstants();
    this.#addProviders();
    this.#addKeys();
    this.#addAudit();
    this.#addSocket();
  }

  /** Returns the Prometheus text format. Each sample is read once per scrape, so that the metrics are consistent. */
  async scrape(): Promise<string> {
    this.#read.clear();
    return await this.#registry.metrics();
  }

  /**
   * Records an RPC.
   * @param ms its duration in milliseconds
   * @param waitedMs the part of `ms` in which its provider waited for its TPM or KMS
   */
  rpc(rpc: (typeof RPCS)[number], code: ErrorCode | "ok", ms: number, waitedMs: number): void {
    this.#rpcs.inc({ rpc, code });
    this.#durations.observe({ rpc }, ms / 1000);
    this.#overheads.observe({ rpc }, Math.max(0, ms - waitedMs) / 1000);
  }

  hostCall(provider: string, capability: string, verdict: (typeof VERDICTS)[number]): void {
    this.#hostCalls.inc({ provider, capability: this.#known(capability), verdict });
  }

  /** Records the duration of an allowed host call, in milliseconds. */
  hostCallDone(provider: string, capability: string, ms: number): void {
    this.#hostCallDurations.observe({ provider, capability: this.#known(capability) }, ms / 1000);
  }

  probe(key: string, result: (typeof PROBE_RESULTS)[number]): void {
    this.#probes.inc({ key, result });
  }

  versionChanged(key: string): void {
    this.#versions.inc({ key });
  }

  /** Counts a connection that exceeded a limit. */
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

  #once<T>(read: () => T): () => T {
    return () => {
      if (!this.#read.has(read)) this.#read.set(read, read());
      return this.#read.get(read) as T;
    };
  }

  #known(capability: string): string {
    return this.#capabilities.has(capability) ? capability : UNKNOWN;
  }

  /** Sets the constant metrics, and creates the series that are counted later. */
  #addConstants(): void {
    const { version, wall, intervalMs, providers, capabilities, keys } = this.#options;
    this.#gauge("kleidi_build_info").set({ version }, 1);
    this.#gauge("kleidi_wall_info").set({ wall }, 1);
    this.#gauge("kleidi_probe_interval_seconds").set(intervalMs / 1000);
    const info = this.#gauge("kleidi_provider_info");
    const inFlight = this.#gauge("kleidi_provider_calls_in_flight_limit");
    const waiting = this.#gauge("kleidi_provider_calls_waiting_limit");
    const codes = Object.entries(ERRORS).flatMap(([code, row]) => ("grpc" in row ? [code] : []));
    for (const rpc of RPCS) {
      for (const code of ["ok", ...codes]) this.#rpcs.inc({ rpc, code }, 0);
      for (const histogram of [this.#durations, this.#overheads]) histogram.zero({ rpc });
    }
    for (const { name: provider, sha256, inFlightLimit, waitingLimit, credential } of providers) {
      info.set({ provider, sha256 }, 1);
      inFlight.set({ provider }, inFlightLimit);
      waiting.set({ provider }, waitingLimit);
      for (const capability of [...capabilities, UNKNOWN])
        for (const verdict of VERDICTS) this.#hostCalls.inc({ provider, capability, verdict }, 0);
      if (credential) for (const event of CREDENTIAL_EVENTS) this.#credentials.inc({ provider, event }, 0);
    }
    for (const key of keys) {
      this.#versions.inc({ key }, 0);
      for (const result of PROBE_RESULTS) this.#probes.inc({ key, result }, 0);
    }
  }

  #addProviders(): void {
    const providerSamples = this.#once(this.#options.providerSamples);
    const gauge = (
      name: "kleidi_provider_processes" | "kleidi_provider_calls_in_flight" | "kleidi_provider_calls_waiting",
      value: (sample: ProviderSample) => number,
    ) =>
      this.#gauge(name, (self) => {
        for (const sample of providerSamples()) self.set({ provider: sample.name }, value(sample));
      });
    gauge("kleidi_provider_processes", ({ processes }) => processes);
    gauge("kleidi_provider_calls_in_flight", ({ inFlight }) => inFlight);
    gauge("kleidi_provider_calls_waiting", ({ waiting }) => waiting);
    this.#gauge("kleidi_provider_state", (self) => {
      for (const { name: provider, state: current } of providerSamples())
        for (const state of PROVIDER_STATES) self.set({ provider, state }, state === current ? 1 : 0);
    });
    this.#counter("kleidi_provider_process_ends_total", (self) => {
      self.reset();
      for (const { name, ends } of providerSamples()) self.inc({ provider: name }, ends);
    });
  }

  #addKeys(): void {
    const { ready } = this.#options;
    const keySamples = this.#once(this.#options.keySamples);
    this.#gauge("kleidi_ready", (self) => self.set(ready() ? 1 : 0));
    this.#gauge("kleidi_key_ready", (self) => {
      for (const { name: key, provider, use, ready } of keySamples())
        self.set({ key, provider, use }, ready ? 1 : 0);
    });
    this.#gauge("kleidi_key_info", (self) => {
      // Series of earlier versions would accumulate.
      self.reset();
      for (const { name: key, provider, use, keyIdSha256 } of keySamples())
        if (keyIdSha256 !== undefined) self.set({ key, provider, use, key_id_sha256: keyIdSha256 }, 1);
    });
    this.#gauge("kleidi_key_last_good_probe_timestamp_seconds", (self) => {
      for (const { name: key, goodAgeMs } of keySamples())
        if (goodAgeMs !== undefined) self.set({ key }, (Date.now() - goodAgeMs) / 1000);
    });
    this.#gauge("kleidi_status_age_seconds", (self) => {
      const active = keySamples().find(({ use }) => use === "active");
      self.set((active?.goodAgeMs ?? performance.now()) / 1000);
    });
  }

  #addAudit(): void {
    const audit = this.#options.audit && this.#once(this.#options.audit);
    const gauge = (
      name: "kleidi_audit_lag_lines" | "kleidi_audit_lag_bytes" | "kleidi_audit_untrusted_files",
      field: "lagLines" | "lagBytes" | "untrusted",
    ) => {
      const made = this.#gauge(name, (self) => audit && self.set(audit()[field]));
      if (audit === undefined) made.remove();
    };
    gauge("kleidi_audit_lag_lines", "lagLines");
    gauge("kleidi_audit_lag_bytes", "lagBytes");
    gauge("kleidi_audit_untrusted_files", "untrusted");
    this.#counter("kleidi_audit_failures_total", (self) => {
      self.reset();
      if (audit !== undefined) self.inc(audit().failures);
    });
  }

  #addSocket(): void {
    const socket = this.#options.socket && this.#once(this.#options.socket);
    const gauge = (
      name: "kleidi_connections" | "kleidi_requests_open" | "kleidi_requests_arriving_bytes",
      field: keyof SocketSample,
    ) => this.#gauge(name, (self) => socket && self.set(socket()[field]));
    gauge("kleidi_connections", "connections");
    gauge("kleidi_requests_open", "requests");
    gauge("kleidi_requests_arriving_bytes", "arrivingBytes");
    for (const [listener, reasons] of Object.entries(CLOSE_REASONS))
      for (const reason of reasons) this.#closes.inc({ listener, reason }, 0);
  }

  #counter<Name extends CounterName>(name: Name, collect?: (self: Counter<LabelsOf<Name>>) => void) {
    return new Counter<LabelsOf<Name>>({
      ...this.#row<Name>(name),
      ...(collect && {
        collect() {
          collect(this);
        },
      }),
    });
  }

  #gauge<Name extends GaugeName>(name: Name, collect?: (self: Gauge<LabelsOf<Name>>) => void) {
    return new Gauge<LabelsOf<Name>>({
      ...this.#row<Name>(name),
      ...(collect && {
        collect() {
          collect(this);
        },
      }),
    });
  }

  #histogram<Name extends HistogramName>(name: Name) {
    return new Histogram<LabelsOf<Name>>({ ...this.#row<Name>(name), buckets: BUCKETS });
  }

  #row<Name extends CounterName | GaugeName | HistogramName>(name: Name) {
    const { help, labels } = METRICS[name];
    return { name, help, labelNames: [...labels] as LabelsOf<Name>[], registers: [this.#registry] };
  }
}
