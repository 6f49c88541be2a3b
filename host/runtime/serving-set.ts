/** All that one configuration makes: its providers, its keys, their probes and the service over them. A reload replaces one by another. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Config } from "../config/config.ts";
import { InFlight } from "../grpc/in-flight.ts";
import type { Gate } from "../host-call.ts";
import type { Keyset } from "../kms/keyset.ts";
import { Prober, type ProberOptions } from "../kms/prober.ts";
import { KmsService } from "../kms/service.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import type { Logger } from "../telemetry/log.ts";
import type { AuditObserver } from "./audit-observer.ts";
import type { HostObserver } from "./observer.ts";
import { keysetOf, Providers } from "./providers.ts";

/** The parts of the host that each of its sets uses. */
export interface SetParts {
  readonly wall: Wall;
  readonly log: Logger;
  /** Puts a measurement around the gate. */
  readonly measure?: (gate: Gate) => Gate;
  /** Receives the events of the set. */
  readonly observer: HostObserver;
  /** Absent: there is no audit log. It is one of the observers. */
  readonly audit?: AuditObserver;
}

export class ServingSet {
  readonly config: Config;
  readonly providers: Providers;
  readonly keyset: Keyset;
  readonly prober: Prober;
  readonly service: KmsService;
  readonly observer: HostObserver;
  readonly audit?: AuditObserver;
  /** The RPCs that this set serves. */
  readonly inFlight = new InFlight();
  #started: Promise<void> | undefined;
  #probesEnded = false;

  private constructor(
    config: Config,
    providers: Providers,
    { observer, audit }: SetParts,
    former?: ServingSet,
  ) {
    this.config = config;
    this.observer = observer;
    this.providers = providers;
    this.keyset = keysetOf(config, providers, former?.keyset);
    this.prober = new Prober(this.keyset, this.#probes(config, observer), former?.prober);
    this.service = new KmsService(this.keyset, this.prober);
    if (audit !== undefined) this.audit = audit;
  }

  /**
   * Admits the modules and opens the capabilities. No process is started.
   * @param former the set that serves: its providers that fit this configuration go on in both sets
   * @throws KleidiError of Providers.open
   */
  static async open(config: Config, parts: SetParts, former?: ServingSet): Promise<ServingSet> {
    const reuse = former?.providers.all ?? [];
    const providers = await Providers.open(config, parts.log, { ...parts, reuse });
    return new ServingSet(config, providers, parts, former);
  }

  /**
   * Starts the providers and probes every key once; the probes continue in the background.
   * @throws KleidiError of the first provider, if none can be started
   */
  start(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  /** Resolves when its start has ended, with success or failure; at once if it was not started. */
  async settled(): Promise<void> {
    await this.#started?.catch(() => {});
  }

  /** Ends the probes. What one that is running finds out is not told: its provider may be ending. */
  endProbes(): void {
    this.#probesEnded = true;
    this.prober.stop();
  }

  /**
   * Ends the probes and the providers. RPCs in flight fail.
   * @param other a set that goes on with the providers that it has in common with this one
   */
  async close(other?: ServingSet): Promise<void> {
    this.endProbes();
    await this.providers.close(other?.providers.all);
  }

  async #start(): Promise<void> {
    await this.providers.start();
    await this.prober.start();
  }

  #probes({ status, providers }: Config, observer: HostObserver): ProberOptions {
    return {
      ...status,
      // A KMS on the network has other users.
      mayRotate: ({ provider }) =>
        providers.some(({ name, grants }) => name === provider.name && grants.net !== undefined),
      onChange: (change) => {
        if (!this.#probesEnded) observer.keyChanged(change);
      },
      onProbe: (key, result) => {
        if (!this.#probesEnded) observer.keyProbed(key, result);
      },
      // The async context of here, which belongs to no RPC.
      outside: AsyncLocalStorage.snapshot(),
    };
  }
}
