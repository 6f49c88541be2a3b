/**
 * The metrics for Prometheus. Labels are names of the configuration or words of a fixed list, so that their number is bounded; text of a
 * guest or a caller is never a label. Each counter exists from the start, so that the first denial is an increase, too.
 */
import { ERRORS, type ErrorCode } from "../error.ts";
import { EXPIRY_KINDS, type Expiry } from "../lib/expiry.ts";
import { MetricRegistry } from "./metric-registry.ts";
import { type MetricSamples, sampleSetters } from "./metric-samples.ts";
import { CLOSE_REASONS, CREDENTIAL_EVENTS, PROBE_RESULTS, RELOADS, VERDICTS } from "./metric-table.ts";

/** An event of a provider's credential, as the capability net reports it. */
interface CredentialSample {
  readonly provider: string;
  readonly event: (typeof CREDENTIAL_EVENTS)[number];
  /** When the credential expires, in milliseconds since 1970. */
  readonly expires?: number | undefined;
}

/** The uses of a credential that are left, as the capability net reports them. */
interface CredentialUses {
  readonly provider: string;
  readonly kind: "token" | "secret-id";
  readonly left: number | undefined;
}

/** The parts of a configuration that are constants of the metrics, until a reload. */
export interface Served {
  readonly intervalMs: number;
  readonly providers: readonly {
    readonly name: string;
    readonly sha256: string;
    readonly inFlightLimit: number;
    readonly waitingLimit: number;
    /** It has a credential; the events of the credential are counted. */
    readonly credential: boolean;
  }[];
  readonly keys: readonly string[];
}

export interface MetricsOptions extends Served {
  readonly version: string;
  /** The wall around providers' processes. */
  readonly wall: string;
  /** Capabilities that a provider can ask the host for. */
  readonly capabilities: readonly string[];
}

const RPCS = ["Status", "Encrypt", "Decrypt"] as const;
const UNKNOWN = "unknown";

export class Metrics {
  readonly #registry = new MetricRegistry();
  readonly #capabilities: ReadonlySet<string>;
  readonly #interval = this.#registry.gauge("kleidi_probe_interval_seconds");
  readonly #info = this.#registry.gauge("kleidi_provider_info");
  readonly #inFlightLimits = this.#registry.gauge("kleidi_provider_calls_in_flight_limit");
  readonly #waitingLimits = this.#registry.gauge("kleidi_provider_calls_waiting_limit");
  readonly #reloads = this.#registry.counter("kleidi_config_reloads_total");
  readonly #reloadGood = this.#registry.gauge("kleidi_config_last_reload_successful");
  readonly #rpcs = this.#registry.counter("kleidi_rpcs_total");
  readonly #durations = this.#registry.histogram("kleidi_rpc_duration_seconds");
  readonly #overheads = this.#registry.histogram("kleidi_rpc_overhead_seconds");
  readonly #hostCalls = this.#registry.counter("kleidi_host_calls_total");
  readonly #hostCallDurations = this.#registry.histogram("kleidi_host_call_duration_seconds");
  readonly #probes = this.#registry.counter("kleidi_key_probes_total");
  readonly #versions = this.#registry.counter("kleidi_key_version_changes_total");
  readonly #credentials = this.#registry.counter("kleidi_credential_events_total");
  readonly #closes = this.#registry.counter("kleidi_connections_closed_total");
  readonly #socketLosses = this.#registry.counter("kleidi_socket_losses_total");
  readonly #adminFailures = this.#registry.counter("kleidi_admin_listen_failures_total");
  readonly #expiries = this.#registry.gauge("kleidi_credential_expiry_timestamp_seconds");
  readonly #uses = this.#registry.gauge("kleidi_credential_uses_left");
  readonly #ends = this.#registry.gauge("kleidi_expiry_timestamp_seconds");
  readonly #warnings = this.#registry.gauge("kleidi_expiry_warning_seconds");
  /** Sets the metrics that are read at a scrape. */
  readonly #setters = sampleSetters(this.#registry);

  constructor(options: MetricsOptions) {
    const { version, wall, capabilities } = options;
    this.#capabilities = new Set(capabilities);
    this.#registry.gauge("kleidi_build_info").set({ version }, 1);
    this.#registry.gauge("kleidi_wall_info").set({ wall }, 1);
    this.#reloadGood.set(1);
    this.#zeroCounters();
    this.configure(options, []);
  }

  /**
   * Sets the constants of a configuration, and the counters of its names to 0 if they are new.
   * @param closed the names of providers that have ended: their last values are removed
   */
  configure({ intervalMs, providers, keys }: Served, closed: readonly string[]): void {
    this.#forget(closed);
    this.#interval.set(intervalMs / 1000);
    for (const gauge of [this.#info, this.#inFlightLimits, this.#waitingLimits]) gauge.reset();
    for (const { name: provider, sha256, inFlightLimit, waitingLimit, credential } of providers) {
      this.#info.set({ provider, sha256 }, 1);
      this.#inFlightLimits.set({ provider }, inFlightLimit);
      this.#waitingLimits.set({ provider }, waitingLimit);
      for (const capability of [...this.#capabilities, UNKNOWN])
        for (const verdict of VERDICTS) this.#hostCalls.inc({ provider, capability, verdict }, 0);
      if (credential) for (const event of CREDENTIAL_EVENTS) this.#credentials.inc({ provider, event }, 0);
    }
    for (const key of keys) {
      this.#versions.inc({ key }, 0);
      for (const result of PROBE_RESULTS) this.#probes.inc({ key, result }, 0);
    }
  }

  reloaded(result: (typeof RELOADS)[number]): void {
    this.#reloads.inc({ result });
    this.#reloadGood.set(result === "applied" ? 1 : 0);
  }

  /** @returns the text format of Prometheus */
  async scrape(samples: MetricSamples): Promise<string> {
    for (const set of this.#setters) set(samples);
    return await this.#registry.text();
  }

  /** @param waitedMs the part of `ms` in which the provider waited for a TPM or a KMS */
  rpc(name: (typeof RPCS)[number], code: ErrorCode | "ok", ms: number, waitedMs: number): void {
    const rpc = name.toLowerCase();
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

  socketLost(listener: "kms" | "admin"): void {
    this.#socketLosses.inc({ listener });
  }

  adminListenFailed(): void {
    this.#adminFailures.inc();
  }

  credential({ provider, event, expires }: CredentialSample): void {
    this.#credentials.inc({ provider, event });
    if (expires !== undefined) this.#expiries.set({ provider }, expires / 1000);
  }

  expiry({ kind, name, at, warningMs }: Expiry): void {
    if (at === Number.POSITIVE_INFINITY) {
      for (const gauge of [this.#ends, this.#warnings]) gauge.remove({ kind, name });
      return;
    }
    this.#ends.set({ kind, name }, at / 1000);
    this.#warnings.set({ kind, name }, warningMs / 1000);
  }

  /** @param left undefined: not limited */
  credentialUses({ provider, kind, left }: CredentialUses): void {
    if (left === undefined) this.#uses.remove({ provider, kind });
    else this.#uses.set({ provider, kind }, left);
  }

  #known(capability: string): string {
    return this.#capabilities.has(capability) ? capability : UNKNOWN;
  }

  /** Removes what was known of providers that have ended. */
  #forget(closed: readonly string[]): void {
    for (const provider of closed) {
      this.#expiries.remove({ provider });
      for (const kind of ["token", "secret-id"]) this.#uses.remove({ provider, kind });
      // The name of a trust-key is not that of a provider.
      for (const kind of EXPIRY_KINDS.filter((each) => each !== "trust-key"))
        for (const gauge of [this.#ends, this.#warnings]) gauge.remove({ kind, name: provider });
    }
  }

  #zeroCounters(): void {
    const codes = Object.entries(ERRORS).flatMap(([code, row]) => ("grpc" in row ? [code] : []));
    for (const rpc of RPCS.map((name) => name.toLowerCase())) {
      for (const code of ["ok", ...codes]) this.#rpcs.inc({ rpc, code }, 0);
      for (const histogram of [this.#durations, this.#overheads]) histogram.zero({ rpc });
    }
    for (const result of RELOADS) this.#reloads.inc({ result }, 0);
    for (const [listener, reasons] of Object.entries(CLOSE_REASONS))
      for (const reason of reasons) this.#closes.inc({ listener, reason }, 0);
  }
}
