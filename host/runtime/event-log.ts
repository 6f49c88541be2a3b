/** Logs the events of a host, except connections that a limit closed: limits-log.ts logs those. */
import type { Decision } from "../capabilities/gate.ts";
import type { KleidiError } from "../error.ts";
import type { HostCall } from "../host-call.ts";
import type { KeyChange } from "../kms/key-change.ts";
import { providerText } from "../kms/keyset.ts";
import { type Expiry, endsSoon, timeLeft } from "../lib/expiry.ts";
import { failureFields, keyIdHash, type Logger } from "../telemetry/log.ts";
import type { HostObserver, ProviderEvent, Reload, SocketEvent } from "./observer.ts";

const REDUNDANCY = "docs/runbooks/KleidiRedundancyReduced.md";

export class EventLog implements Partial<HostObserver> {
  readonly #log: Logger;
  /** The ends that were logged, by kind and name. */
  readonly #ends = new Map<string, number>();
  /** The last failure of the admin listener. */
  #adminFailure = "";

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Denials are warnings; other host calls are logged at level debug. */
  decided({ call, verdict, why, target }: Decision): void {
    const { provider, rpc, capability, operation } = call;
    if (verdict === "denied") this.#log.warn({ provider, rpc, capability, operation }, `denied: ${why}`);
    else if (this.#log.isLevelEnabled("debug"))
      this.#log.debug({ provider, rpc, capability, operation, verdict, why, target }, "host call");
  }

  fault({ provider, rpc, capability, operation }: HostCall, error: unknown): void {
    const fields = { provider, rpc, capability, operation, cause: String(error) };
    this.#log.error(fields, "a host call failed in the host");
  }

  /** Once for each end. */
  expiryKnown(expiry: Expiry): void {
    const { kind, name, at } = expiry;
    const key = `${kind} ${name}`;
    if (!endsSoon(expiry) || this.#ends.get(key) === at) return;
    this.#ends.set(key, at);
    const fields = {
      kind,
      name,
      ends: new Date(at).toISOString(),
      runbook: "docs/runbooks/KleidiExpires.md",
    };
    this.#log.warn(fields, `the ${kind} of ${name} ends in ${timeLeft(at)}`);
  }

  providerChanged(provider: string, event: ProviderEvent): void {
    if (event.type === "ended") {
      const { reason: how, nextInMs } = event;
      this.#log.warn({ provider, how, nextInMs }, "provider process exited; starting a replacement");
    }
    if (event.type !== "quarantined") return;
    const { reason, until } = event;
    const fields = { provider, ...(until === undefined ? {} : { until: new Date(until).toISOString() }) };
    this.#log.error(fields, `the provider is in quarantine: ${reason}`);
  }

  keyChanged({ key, keyId, failure, pendingVersion, without = [] }: KeyChange): void {
    const fields = { key: key.name, provider: providerText(key), use: key.use };
    if (failure !== undefined) this.#log.error({ ...fields, ...failureFields(failure) }, failure.message);
    else if (keyId !== undefined && without.length > 0)
      this.#log.warn(
        { ...fields, key_id_sha256: keyIdHash(keyId), without, runbook: REDUNDANCY },
        "the key is ready, without some of its members: new objects have no wrap by them",
      );
    else if (keyId !== undefined)
      this.#log.info({ ...fields, key_id_sha256: keyIdHash(keyId) }, "the key is ready");
    else if (pendingVersion !== undefined)
      this.#log.info(
        fields,
        "the provider reports a new version, which is used once it was reported often enough",
      );
  }

  /** Once for each cause, and not at each try. */
  adminRefused(failure: KleidiError, nextTryMs: number): void {
    if (this.#adminFailure === failure.message) return;
    this.#adminFailure = failure.message;
    const fields = { ...failureFields(failure), nextTryMs };
    this.#log.error(fields, `${failure.message}; keys are served without it`);
  }

  adminOpened(admin: string, tries: number): void {
    if (tries > 1) this.#log.info({ admin, tries }, "the admin listener has its address now");
  }

  reloaded(reload: Reload): void {
    if (reload.outcome === "refused") {
      const { failure, sha256 } = reload;
      this.#log.error({ config: sha256, ...failureFields(failure) }, failure.message);
      return;
    }
    const { config, opened, closed, addedKeys, removedKeys } = reload;
    const fields = { config: config.sha256, started: opened, stopped: closed, addedKeys, removedKeys };
    this.#log.info(fields, "the configuration was reloaded");
    if (removedKeys.length > 0)
      this.#log.warn({ removedKeys }, "objects that were written with these keys can no longer be read");
  }

  socketChanged({ listener, type, failure }: SocketEvent): void {
    if (type === "lost")
      this.#log.error(
        { listener },
        "the socket was removed or replaced by another process; binding it again",
      );
    else if (type === "bound") this.#log.info({ listener }, "the socket is bound again");
    else if (failure !== undefined) this.#log.error({ listener, ...failureFields(failure) }, failure.message);
  }
}
