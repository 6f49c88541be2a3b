/** The events of one configuration's providers as audit records: each names the module that the configuration pins. */
import type { AsyncLocalStorage } from "node:async_hooks";
import type { AuditLog } from "../audit/log.ts";
import type { Entry } from "../audit/record.ts";
import type { CredentialEvent } from "../capabilities/capability.ts";
import type { Decision, Outcome } from "../capabilities/gate.ts";
import type { Config } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import type { RpcContext, RpcReply } from "../grpc/interceptor.ts";
import type { HostCall } from "../host-call.ts";
import type { Keyset } from "../kms/keyset.ts";
import { AuditRecords } from "./audit-records.ts";
import type { HostObserver, ProviderEvent, Reload } from "./observer.ts";

export class AuditObserver implements Partial<HostObserver> {
  readonly #log: AuditLog;
  /** Has the uid of the RPC that a host call belongs to; a probe has none. */
  readonly #uids: AsyncLocalStorage<string>;
  readonly #records: AuditRecords;

  constructor(log: AuditLog, uids: AsyncLocalStorage<string>, { providers }: Pick<Config, "providers">) {
    this.#log = log;
    this.#uids = uids;
    this.#records = new AuditRecords(new Map(providers.map(({ name, sha256 }) => [name, sha256])));
  }

  /**
   * @param keyset gives the name of the key to a key_id
   * @throws KleidiError audit-failed: the RPC must fail
   */
  rpc(call: RpcContext, reply: RpcReply, keyset: Keyset): void {
    this.#log.append(this.#records.rpc(call, reply, keyset));
  }

  /** @throws KleidiError audit-failed: the host call must not be performed */
  decided(decision: Decision): void {
    // An allowed host call is recorded when it has finished, with its outcome.
    if (decision.verdict === "allowed") this.#log.assertReady();
    else this.#log.append(this.#records.decision(decision, this.#uid));
  }

  /** @throws KleidiError audit-failed: the guest must not get the answer */
  performed(decision: Decision, outcome: Outcome): void {
    this.#log.append(this.#records.outcome(decision, outcome, this.#uid));
  }

  fault(call: HostCall): void {
    tryAppend(this.#log, this.#records.fault(call, this.#uid));
  }

  credentialChanged(event: CredentialEvent): void {
    tryAppend(this.#log, this.#records.credential(event));
  }

  providerChanged(provider: string, event: ProviderEvent): void {
    tryAppend(this.#log, this.#records.provider(provider, event));
  }

  /** @throws KleidiError audit-failed: a configuration that cannot be recorded must not be applied */
  reloaded(reload: Reload): void {
    const record = this.#records.reload(reload);
    if (reload.outcome === "applied") this.#log.append(record);
    else tryAppend(this.#log, record);
  }

  get #uid(): string | undefined {
    return this.#uids.getStore() || undefined;
  }
}

/** Appends a record that no caller waits for. If the log takes no lines, the next RPC fails. */
export function tryAppend(log: AuditLog, entry: Entry): void {
  try {
    log.append(entry);
  } catch (error) {
    if (!(error instanceof KleidiError)) throw error;
  }
}
