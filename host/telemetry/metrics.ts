/**
 * What is counted, for Prometheus. Labels are names of the configuration or words of a fixed list, so that their number is
 * bounded; what a guest or a caller says is never one.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** What the sandbox says of a provider; read at each scrape. */
export interface ProviderSample {
  readonly name: string;
  readonly state: string;
  readonly processes: number;
  readonly ends: number;
  readonly inFlight: number;
  readonly waiting: number;
}

export const PROVIDER_STATES = ["starting", "ready", "quarantined", "stopped"] as const;

/** From a tenth of a millisecond to the API server's own deadline of 3 s. */
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

export class Metrics {
  readonly registry = new Registry();
  readonly #rpcs: Counter<"rpc" | "code">;
  readonly #durations: Histogram<"rpc">;
  readonly #hostCalls: Counter<"provider" | "capability" | "verdict">;

  constructor(version: string, providers: () => readonly ProviderSample[]) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    new Gauge({
      name: "kleidi_build_info",
      help: "1, with the version of kleidi.",
      labelNames: ["version"],
      registers,
    }).set({ version }, 1);
    this.#rpcs = new Counter({
      name: "kleidi_rpcs_total",
      help: "RPCs of the API server, by the error code of docs/errors.md; ok where there was none.",
      labelNames: ["rpc", "code"],
      registers,
    });
    this.#durations = new Histogram({
      name: "kleidi_rpc_duration_seconds",
      help: "From the request to the answer.",
      labelNames: ["rpc"],
      buckets: SECONDS,
      registers,
    });
    this.#hostCalls = new Counter({
      name: "kleidi_host_calls_total",
      help: "What providers asked of the host: allowed, denied, or refused for a budget or a bad request.",
      labelNames: ["provider", "capability", "verdict"],
      registers,
    });
    ofProviders(this.registry, providers);
  }

  rpc(rpc: string, code: string, ms: number): void {
    this.#rpcs.inc({ rpc, code });
    this.#durations.observe({ rpc }, ms / 1000);
  }

  /** @param capability of the fixed list of host-call.ts, or "unknown" */
  hostCall(provider: string, capability: string, verdict: string): void {
    this.#hostCalls.inc({ provider, capability, verdict });
  }
}

function ofProviders(registry: Registry, providers: () => readonly ProviderSample[]): void {
  const gauge = (name: string, help: string, value: (sample: ProviderSample) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["provider"],
      registers: [registry],
      collect() {
        for (const sample of providers()) this.set({ provider: sample.name }, value(sample));
      },
    });
  new Gauge({
    name: "kleidi_provider_state",
    help: "1 for the state that the provider is in, 0 for the others.",
    labelNames: ["provider", "state"],
    registers: [registry],
    collect() {
      for (const sample of providers()) {
        for (const state of PROVIDER_STATES) {
          this.set({ provider: sample.name, state }, sample.state === state ? 1 : 0);
        }
      }
    },
  });
  gauge(
    "kleidi_provider_processes",
    "Processes of the provider that are loaded; 2 when all is well.",
    ({ processes }) => processes,
  );
  gauge("kleidi_provider_calls_in_flight", "Calls in the provider's process.", ({ inFlight }) => inFlight);
  gauge("kleidi_provider_calls_waiting", "Calls that wait for their turn.", ({ waiting }) => waiting);
  new Counter({
    name: "kleidi_provider_process_ends_total",
    help: "Processes of the provider that ended and were not asked to.",
    labelNames: ["provider"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { name, ends } of providers()) this.inc({ provider: name }, ends);
    },
  });
}
