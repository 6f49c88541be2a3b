/** One provider that can run: its admitted module as a supervised sandbox, behind a gate to capabilities that are open for it alone. */
import { isDeepStrictEqual } from "node:util";
import { createGate } from "../capabilities/gate.ts";
import { ALWAYS_GRANTED, SECTIONS } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { hasStandby } from "../config/standby.ts";
import type { Gate } from "../host-call.ts";
import type { AdmittedModule } from "../module/admission.ts";
import { trustEnd } from "../module/trust/end.ts";
import { type ForeignFormats, SandboxedProvider, type Settings } from "../sandbox/provider.ts";
import { Supervisor } from "../sandbox/supervisor.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import type { Logger } from "../telemetry/log.ts";
import { closeCapabilities, type OpenCapabilities, openCapabilities } from "./capabilities.ts";
import type { HostObserver } from "./observer.ts";

/** When the host started; in a container or a unit, within its limit. */
const FREE_BYTES = process.availableMemory();

export interface Surroundings {
  readonly wall: Wall;
  readonly observer: HostObserver;
  readonly log: Logger;
  /** Puts a measurement around the gate. */
  readonly measure: (gate: Gate) => Gate;
}

export class RunnableProvider {
  readonly config: ProviderConfig;
  readonly module: AdmittedModule;
  readonly supervisor: Supervisor;
  readonly provider: SandboxedProvider;
  readonly #whole: Config;
  readonly #capabilities: OpenCapabilities;

  private constructor(
    whole: Config,
    { config, module }: AdmittedProvider,
    capabilities: OpenCapabilities,
    supervisor: Supervisor,
  ) {
    this.config = config;
    this.module = module;
    this.supervisor = supervisor;
    this.provider = new SandboxedProvider(
      config.name,
      supervisor,
      settingsOf(whole, config.name),
      foreignOf(whole, config.name),
    );
    this.#whole = whole;
    this.#capabilities = capabilities;
  }

  /**
   * Opens the capabilities of a provider. No process is started.
   * @throws KleidiError of a capability: a file that it needs is missing or not intact
   */
  static async open(
    whole: Config,
    admitted: AdmittedProvider,
    surroundings: Surroundings,
  ): Promise<RunnableProvider> {
    const { config, module } = admitted;
    const { observer, log, measure } = surroundings;
    const capabilities = await openCapabilities(withOne(whole, config), log, {
      onCredential: (event) => observer.credentialChanged(event),
      onCredentialUses: (uses) => observer.credentialUsesKnown(uses),
      onExpiry: (expiry) => observer.expiryKnown(expiry),
      onLine: (...line) => observer.guestWrote(...line),
    });
    const end = module.trusted && trustEnd(config.name, module.trusted);
    if (end !== undefined) observer.expiryKnown(end);
    const gate = measure(gateOf(admitted, capabilities, observer));
    return new RunnableProvider(
      whole,
      admitted,
      capabilities,
      supervise(whole, admitted, gate, surroundings),
    );
  }

  /**
   * Whether this provider can serve another configuration as it is: nothing in it that concerns the provider is different, the uses of its
   * keys aside, and it is not in quarantine.
   */
  serves(other: Config): boolean {
    const { name } = this.config;
    return (
      this.supervisor.state().state !== "quarantined" &&
      isDeepStrictEqual(partsOf(this.#whole, name), partsOf(other, name))
    );
  }

  /** Stops its processes and closes its capabilities. RPCs in flight fail. */
  async close(): Promise<void> {
    await this.supervisor.stop();
    await closeCapabilities(this.#capabilities);
  }
}

export interface AdmittedProvider {
  readonly config: ProviderConfig;
  readonly module: AdmittedModule;
}

/** The configuration with one of its providers. */
function withOne(config: Config, provider: ProviderConfig): Config {
  const keys = config.keys.filter((key) => key.provider === provider.name);
  return { ...config, providers: [provider], keys };
}

/** The parts of a configuration that a running provider was made from. */
function partsOf(config: Config, name: string) {
  return {
    provider: config.providers.find((each) => each.name === name),
    keys: config.keys
      .filter(({ provider }) => provider === name)
      .map((key) => [key.name, key.version, key.settings, key.foreign] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
    sections: Object.keys(SECTIONS).map((section) => config[section as keyof typeof SECTIONS]),
    trust: config.trust,
  };
}

function gateOf(
  { config: { name, grants, limits }, module }: AdmittedProvider,
  capabilities: OpenCapabilities,
  witness: HostObserver,
): Gate {
  const client = { requests: module.manifest.capabilities, grants: { ...grants }, ...limits };
  return createGate({
    clients: new Map([[name, client]]),
    capabilities,
    alwaysGranted: ALWAYS_GRANTED,
    witness,
  });
}

function supervise(
  { providers }: Config,
  { config: { limits, name }, module }: AdmittedProvider,
  gate: Gate,
  { wall, observer, log }: Surroundings,
): Supervisor {
  return new Supervisor({
    provider: name,
    module: module.bytes,
    imports: module.imports,
    memory: module.memory,
    ...limits,
    standby: hasStandby(limits.standby, providers.length, FREE_BYTES),
    gate,
    wall,
    onStderr: (text) =>
      log.warn({ provider: name, text: text.trim() }, "the provider's process wrote to stderr"),
    onLoaded: () => observer.providerChanged(name, { type: "started" }),
    onEnd: (reason, nextInMs) => observer.providerChanged(name, { type: "ended", reason, nextInMs }),
    onQuarantine: (quarantine) => observer.providerChanged(name, { type: "quarantined", ...quarantine }),
  });
}

function settingsOf({ keys }: Config, provider: string): Settings {
  return new Map(keys.flatMap((key) => (key.provider === provider ? [[key.name, key.settings ?? {}]] : [])));
}

function foreignOf({ keys }: Config, provider: string): ForeignFormats {
  return new Map(
    keys.flatMap(({ name, foreign, ...key }) =>
      key.provider === provider && foreign !== undefined ? [[name, foreign]] : [],
    ),
  );
}
