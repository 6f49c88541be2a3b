/** Counts the events of a host for the metrics, and records them for the state report. */
import type { CredentialEvent, CredentialUses } from "../capabilities/capability.ts";
import type { Decision, Outcome } from "../capabilities/gate.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config } from "../config/config.ts";
import type { Interceptor } from "../grpc/interceptor.ts";
import type { Gate } from "../host-call.ts";
import type { KeyChange } from "../kms/key-change.ts";
import type { KeyConfig } from "../kms/keyset.ts";
import type { Expiry } from "../lib/expiry.ts";
import { keyIdHash } from "../telemetry/log.ts";
import type { Metrics, Served } from "../telemetry/metrics.ts";
import { RpcClock } from "../telemetry/overhead.ts";
import { Recorder } from "../telemetry/recorder.ts";
import type { HostIdentity } from "./host-identity.ts";
import type { ConnectionClosed, HostObserver, ProviderEvent, Reload, SocketEvent } from "./observer.ts";

/** Host calls of these capabilities wait for a TPM or a KMS: that time is not the host's own. */
const WAITING: ReadonlySet<string> = new Set(
  CAPABILITIES.filter(({ waits }) => waits).map(({ name }) => name),
);

export class Telemetry implements Partial<HostObserver> {
  readonly metrics: Metrics;
  readonly recorder = new Recorder();
  readonly #clock = new RpcClock();
  /** The last key_id of each key, by name. */
  readonly #keyIds = new Map<string, string>();
  /** The last recorded state of each provider's credential. */
  readonly #credentials = new Map<string, string>();

  private constructor(metrics: Metrics) {
    this.metrics = metrics;
  }

  /** Loads the Prometheus client, which takes 10 MB of memory: only for a host with an admin listener. */
  static async open(config: Config, { version, wall }: HostIdentity): Promise<Telemetry> {
    const { Metrics } = await import("../telemetry/metrics.ts");
    // The provider's process performs the others itself.
    const capabilities = CAPABILITIES.filter(({ open }) => open !== undefined).map(({ name }) => name);
    return new Telemetry(new Metrics({ version, wall, capabilities, ...served(config) }));
  }

  /** Counts each RPC with the reply that is sent, and the time in which it waited for a TPM or a KMS. */
  readonly intercept: Interceptor = ({ rpc }, next) =>
    this.#clock.run(async () => {
      const reply = await next();
      this.metrics.rpc(rpc, reply.failure?.code ?? "ok", reply.ms, this.#clock.waitedMs());
      return reply;
    });

  /** @returns a gate that measures how long the RPCs wait for a TPM or a KMS */
  measure(gate: Gate): Gate {
    return (call) => (WAITING.has(call.capability) ? this.#clock.waiting(() => gate(call)) : gate(call));
  }

  decided({ call, verdict, why, target }: Decision): void {
    const { provider, rpc, capability, operation } = call;
    this.metrics.hostCall(provider, capability, verdict);
    this.recorder.hostCall({ provider, rpc, capability, operation, verdict, why, target });
  }

  performed({ call }: Decision, { ms }: Outcome): void {
    this.metrics.hostCallDone(call.provider, call.capability, ms);
  }

  credentialChanged(event: CredentialEvent): void {
    this.metrics.credential(event);
    const { provider, event: type, why } = event;
    const good = type !== "refused" && type !== "failed";
    // Only a new state is recorded. Renewals are routine; while logins fail, "refused" and "failed" alternate with each try, and would
    // push everything else out of the bounded list.
    const before = this.#credentials.get(provider);
    const state = good ? "good" : `${type} ${why}`;
    if (before === state || (type === "refused" && before?.startsWith("failed"))) return;
    this.#credentials.set(provider, state);
    this.recorder.changed(`credential of ${provider}`, good, why === undefined ? type : `${type}: ${why}`);
  }

  expiryKnown(expiry: Expiry): void {
    this.metrics.expiry(expiry);
  }

  credentialUsesKnown(uses: CredentialUses): void {
    this.metrics.credentialUses(uses);
  }

  providerChanged(provider: string, event: ProviderEvent): void {
    if (event.type === "quarantined")
      this.recorder.changed(`provider ${provider}`, false, `it is in quarantine, ${event.reason}`);
  }

  keyChanged({ key, keyId, failure, without = [] }: KeyChange): void {
    if (failure !== undefined)
      this.recorder.changed(`key ${key.name}`, false, `${failure.code}: ${failure.message}`);
    else if (keyId !== undefined) this.#keyReady(key.name, keyId, without);
  }

  keyProbed({ name }: KeyConfig, result: "good" | "failed" | "unknown"): void {
    this.metrics.probe(name, result);
    this.recorder.probe(name, result);
  }

  connectionClosed(event: ConnectionClosed): void {
    // Two calls, because each listener has reasons of its own.
    if (event.listener === "kms") this.metrics.connectionClosed(event.listener, event.reason);
    else this.metrics.connectionClosed(event.listener, event.reason);
  }

  adminRefused(): void {
    this.metrics.adminListenFailed();
  }

  reloaded(reload: Reload): void {
    this.metrics.reloaded(reload.outcome);
    if (reload.outcome === "refused") {
      this.recorder.changed("configuration", false, reload.failure.message);
      return;
    }
    const { config, closed } = reload;
    this.metrics.configure(served(config), closed);
    this.recorder.changed("configuration", true, `it was reloaded: sha256 ${config.sha256.slice(0, 16)}`);
  }

  socketChanged({ listener, type, failure }: SocketEvent): void {
    if (type === "lost") this.metrics.socketLost(listener);
    const details = {
      lost: "it was removed or replaced",
      bound: "it is bound again",
      refused: failure?.message,
    };
    this.recorder.changed(`socket of ${listener}`, type === "bound", details[type] ?? type);
  }

  #keyReady(name: string, keyId: string, without: readonly string[]): void {
    const before = this.#keyIds.get(name);
    this.#keyIds.set(name, keyId);
    const isNewVersion = before !== undefined && before !== keyId;
    if (isNewVersion) this.metrics.versionChanged(name);
    const ready = isNewVersion ? "it is ready, in another version" : "it is ready";
    const state = without.length === 0 ? ready : `${ready}, without ${without.join(" and ")}`;
    this.recorder.changed(`key ${name}`, true, `${state}: key_id sha256 ${keyIdHash(keyId)}`);
  }
}

/** The names of a configuration that become labels, and its limits. */
function served({ status, providers, keys }: Config): Served {
  return {
    intervalMs: status.intervalMs,
    providers: providers.map(({ name, sha256, limits, grants }) => ({
      name,
      sha256,
      inFlightLimit: limits.concurrentCalls,
      waitingLimit: limits.queue,
      credential: grants.net?.credential !== undefined,
    })),
    keys: keys.map(({ name }) => name),
  };
}
