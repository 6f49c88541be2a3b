/**
 * The events of a host, and the observers that receive them: the audit log, the metrics with the state report, and the log. An observer
 * is given to each part of the host when the part is constructed.
 */
import type { CredentialEvent, CredentialUses, LogLevel } from "../capabilities/capability.ts";
import type { Witness } from "../capabilities/gate.ts";
import type { Config } from "../config/config.ts";
import type { KleidiError } from "../error.ts";
import type { SocketEvents } from "../grpc/keep-listening.ts";
import type { CloseReason } from "../grpc/limits.ts";
import type { KeyChange } from "../kms/key-change.ts";
import type { KeyConfig } from "../kms/keyset.ts";
import type { Expiry } from "../lib/expiry.ts";
import type { Quarantine } from "../sandbox/supervisor.ts";
import type { AdminCloseReason } from "../telemetry/admin-connections.ts";

export interface HostObserver extends Witness {
  credentialChanged(event: CredentialEvent): void;
  /** The end of a signature, a certificate or a credential is known, or was read again. */
  expiryKnown(expiry: Expiry): void;
  credentialUsesKnown(uses: CredentialUses): void;
  /** A guest wrote a line to kleidi:log. */
  guestWrote(provider: string, level: LogLevel, line: string): void;
  providerChanged(provider: string, event: ProviderEvent): void;
  /** A key became ready or failed, or its provider reports a new version. */
  keyChanged(change: KeyChange): void;
  keyProbed(key: KeyConfig, result: "good" | "failed" | "unknown"): void;
  /** A limit closed a connection. Callers decide how often that is. */
  connectionClosed(event: ConnectionClosed): void;
  /** HTTP/2 reset a request to the socket before the host saw it. Callers decide how often that is. */
  requestUnseen(): void;
  /** The admin listener could not be opened; it is tried again after this many milliseconds. */
  adminRefused(failure: KleidiError, nextTryMs: number): void;
  /** @param tries how many it took, this one included */
  adminOpened(address: string, tries: number): void;
  /**
   * A reload of the configuration ended. One that is applied takes effect afterwards.
   * @throws KleidiError audit-failed: it must not be applied
   */
  reloaded(reload: Reload): void;
  /** A Unix socket was removed or replaced under the host, was bound again, or cannot be. */
  socketChanged(event: SocketEvent): void;
}

/** The verdict on a reload. */
export type Reload =
  | {
      readonly outcome: "applied";
      readonly config: Config;
      /** Providers that were started for it, by name. */
      readonly opened: readonly string[];
      /** Providers that end: removed, or replaced by one of `opened`. */
      readonly closed: readonly string[];
      readonly addedKeys: readonly string[];
      readonly removedKeys: readonly string[];
    }
  | {
      readonly outcome: "refused";
      readonly failure: KleidiError;
      /** Of the configuration, if it could be read. */
      readonly sha256?: string;
    };

export interface SocketEvent {
  readonly listener: "kms" | "admin";
  readonly type: "lost" | "bound" | "refused";
  /** The reason why it cannot be bound again. */
  readonly failure?: KleidiError;
}

/** The events of a kept socket (grpc/keep-listening.ts), for the observer. */
export function socketEvents(listener: SocketEvent["listener"], observer: HostObserver): SocketEvents {
  return {
    lost: () => observer.socketChanged({ listener, type: "lost" }),
    bound: () => observer.socketChanged({ listener, type: "bound" }),
    refused: (failure) => observer.socketChanged({ listener, type: "refused", failure }),
  };
}

export type ProviderEvent =
  | { readonly type: "started" }
  /** A process exited unexpectedly; its replacement is started after this many milliseconds. */
  | { readonly type: "ended"; readonly reason: string; readonly nextInMs: number }
  | ({ readonly type: "quarantined" } & Quarantine);

export type ConnectionClosed =
  | {
      readonly listener: "kms";
      readonly reason: CloseReason;
      /** Open connections. */
      readonly connections: number;
      /** Node's error message; empty if there is none. */
      readonly detail: string;
    }
  | { readonly listener: "admin"; readonly reason: AdminCloseReason };

/**
 * Joins observers into one.
 * @param observers receive each event in this order. If one throws, the ones after it do not receive the event, and the caller gets the
 * error: the audit log comes first, so that no action is performed that it cannot record
 */
export function combineObservers(observers: readonly Partial<HostObserver>[]): HostObserver {
  return {
    decided(decision) {
      for (const each of observers) each.decided?.(decision);
    },
    performed(decision, outcome) {
      for (const each of observers) each.performed?.(decision, outcome);
    },
    fault(call, error) {
      for (const each of observers) each.fault?.(call, error);
    },
    credentialChanged(event) {
      for (const each of observers) each.credentialChanged?.(event);
    },
    expiryKnown(expiry) {
      for (const each of observers) each.expiryKnown?.(expiry);
    },
    credentialUsesKnown(uses) {
      for (const each of observers) each.credentialUsesKnown?.(uses);
    },
    guestWrote(provider, level, line) {
      for (const each of observers) each.guestWrote?.(provider, level, line);
    },
    providerChanged(provider, event) {
      for (const each of observers) each.providerChanged?.(provider, event);
    },
    keyChanged(change) {
      for (const each of observers) each.keyChanged?.(change);
    },
    keyProbed(key, result) {
      for (const each of observers) each.keyProbed?.(key, result);
    },
    connectionClosed(event) {
      for (const each of observers) each.connectionClosed?.(event);
    },
    requestUnseen() {
      for (const each of observers) each.requestUnseen?.();
    },
    adminRefused(failure, nextTryMs) {
      for (const each of observers) each.adminRefused?.(failure, nextTryMs);
    },
    adminOpened(address, tries) {
      for (const each of observers) each.adminOpened?.(address, tries);
    },
    reloaded(reload) {
      for (const each of observers) each.reloaded?.(reload);
    },
    socketChanged(event) {
      for (const each of observers) each.socketChanged?.(event);
    },
  };
}
