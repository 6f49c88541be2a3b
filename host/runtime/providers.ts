/**
 * The providers of a configuration, each as a supervised sandbox behind the gate: their modules admitted, their capabilities opened. A
 * serving host, `kleidi check --live`, `kleidi doctor` and `kleidi key init` run their providers with it.
 */
import { createGate } from "../capabilities/gate.ts";
import { ALWAYS_GRANTED, KNOWN } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { grantLine } from "../config/grant-lines.ts";
import { KleidiError, toKleidiError } from "../error.ts";
import type { Gate } from "../host-call.ts";
import { type KeyConfig, Keyset } from "../kms/keyset.ts";
import type { Provider } from "../kms/provider.ts";
import { type AdmitOptions, type AdmittedModule, admit } from "../module/admission.ts";
import { admissionFaults } from "../module/admission-faults.ts";
import { trustEnd } from "../module/trust/end.ts";
import { SandboxedProvider, type Settings } from "../sandbox/provider.ts";
import { Supervisor } from "../sandbox/supervisor.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { failureFields, type Logger } from "../telemetry/log.ts";
import { closeCapabilities, type OpenCapabilities, openCapabilities } from "./capabilities.ts";
import { EventLog } from "./event-log.ts";
import { GuestLog } from "./guest-log.ts";
import { combineObservers, type HostObserver } from "./observer.ts";
import { RefusedProvider } from "./refused-provider.ts";
import { wallOf } from "./wall.ts";

export interface ProvidersOptions {
  /** Absent: the wall of the configuration is opened. */
  readonly wall?: Wall;
  /** Absent: the events are logged. */
  readonly observer?: HostObserver;
  /** Puts a measurement around the gate. */
  readonly measure?: (gate: Gate) => Gate;
  /** Replaces the deadline of each provider, in milliseconds. */
  readonly deadlineMs?: number;
}

/** A provider of the configuration, and the parts that run it. */
export interface RunnableProvider {
  readonly config: ProviderConfig;
  readonly module: AdmittedModule;
  readonly supervisor: Supervisor;
  readonly provider: SandboxedProvider;
}

export class Providers {
  /** Those whose modules are admitted, in the order of the configuration. */
  readonly all: readonly RunnableProvider[];
  /** Those whose modules are not; their calls fail. */
  readonly refused: readonly RefusedProvider[];
  readonly #capabilities: OpenCapabilities;
  readonly #log: Logger;

  private constructor(
    all: readonly RunnableProvider[],
    refused: readonly RefusedProvider[],
    capabilities: OpenCapabilities,
    log: Logger,
  ) {
    this.all = all;
    this.refused = refused;
    this.#capabilities = capabilities;
    this.#log = log;
  }

  /**
   * Admits the modules and opens the capabilities. No process is started. If a module is not admitted, this is logged, and the others serve.
   * @throws KleidiError of the first module (module-invalid, module-ungranted, module-untrusted, digest-differs), if none is admitted;
   * key-missing, key-file-invalid, wall-missing
   */
  static async open(config: Config, log: Logger, options: ProvidersOptions = {}): Promise<Providers> {
    const {
      observer = combineObservers([new EventLog(log), new GuestLog(log)]),
      measure = (gate) => gate,
      deadlineMs,
    } = options;
    const { admitted, refused } = admitAll(config, deadlineMs);
    for (const { name, failure } of refused)
      log.error(
        { provider: name, ...failureFields(failure) },
        `${failure.message}; the other providers serve`,
      );
    const wall = options.wall ?? (await wallOf(config));
    const capabilities = await openCapabilities(config, log, {
      onCredential: (event) => observer.credentialChanged(event),
      onCredentialUses: (uses) => observer.credentialUsesKnown(uses),
      onExpiry: (expiry) => observer.expiryKnown(expiry),
      onLine: (...line) => observer.guestWrote(...line),
    });
    for (const { config, module } of admitted) {
      const end = module.trusted && trustEnd(config.name, module.trusted);
      if (end !== undefined) observer.expiryKnown(end);
    }
    const gate = measure(gateOf(admitted, capabilities, observer));
    const all = admitted.map((each): RunnableProvider => {
      const { name } = each.config;
      const supervisor = supervise(each, { gate, wall, observer, log });
      return {
        ...each,
        supervisor,
        provider: new SandboxedProvider(name, supervisor, settingsOf(config, name)),
      };
    });
    return new Providers(all, refused, capabilities, log);
  }

  /** The provider of a key, which can be a refused one. */
  ofKey(name: string): Provider {
    return this.refused.find((each) => each.name === name) ?? this.get(name).provider;
  }

  /** @throws KleidiError of its module, if it is refused; host-fault: the configuration has no provider of this name */
  get(name: string): RunnableProvider {
    const refused = this.refused.find((each) => each.name === name);
    if (refused !== undefined) throw refused.failure;
    const found = this.all.find(({ config }) => config.name === name);
    if (found === undefined) throw new KleidiError("host-fault", `Cannot find provider "${name}"`);
    return found;
  }

  /**
   * Starts every provider. If one cannot be started, this is logged, its supervisor tries again, and the others serve.
   * @throws KleidiError of the first provider, if none can be started
   */
  async start(): Promise<void> {
    const results = await Promise.allSettled(this.all.map(({ supervisor }) => supervisor.start()));
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [toKleidiError(result.reason, "start a provider")] : [],
    );
    const [first] = failures;
    if (first !== undefined && failures.length === this.all.length) throw first;
    for (const failure of failures) this.#log.error(failureFields(failure), failure.message);
  }

  /** Stops every process and closes the capabilities. RPCs in flight fail. */
  async close(): Promise<void> {
    await Promise.all(this.all.map(({ supervisor }) => supervisor.stop()));
    await closeCapabilities(this.#capabilities);
  }
}

/**
 * Checks a provider's module against its configuration.
 * @throws KleidiError module-invalid, module-ungranted, module-untrusted, digest-differs
 */
export function admitProvider(config: Config, provider: ProviderConfig): AdmittedModule {
  return admit(admitOptions(config, provider));
}

/** All reasons for which `admitProvider` refuses a provider's module; empty if it admits it. */
export function providerFaults(config: Config, provider: ProviderConfig): KleidiError[] {
  return admissionFaults(admitOptions(config, provider));
}

function admitOptions(config: Config, provider: ProviderConfig): AdmitOptions {
  return {
    ...provider,
    trust: config.trust,
    grants: { ...provider.grants },
    known: KNOWN,
    grantLine: (...asked) => grantLine(config, provider.name, ...asked),
  };
}

/** The keys of the configuration over these providers. */
export function keysetOf(config: Config, providers: Providers): Keyset {
  return new Keyset(
    config.keys.map(({ name, provider, use, version }): KeyConfig => {
      return { name, provider: providers.ofKey(provider), use, pin: version };
    }),
  );
}

/** @throws KleidiError of the first module, if none is admitted */
function admitAll(
  config: Config,
  deadlineMs: number | undefined,
): { admitted: AdmittedProvider[]; refused: RefusedProvider[] } {
  const admitted: AdmittedProvider[] = [];
  const refused: RefusedProvider[] = [];
  for (const provider of config.providers) {
    try {
      const module = admitProvider(config, provider);
      admitted.push({ config: withDeadline(provider, deadlineMs), module });
    } catch (error) {
      if (!(error instanceof KleidiError)) throw error;
      refused.push(new RefusedProvider(provider, error));
    }
  }
  const [first] = refused;
  if (first !== undefined && admitted.length === 0) throw first.failure;
  return { admitted, refused };
}

type AdmittedProvider = Pick<RunnableProvider, "config" | "module">;

function gateOf(
  admitted: readonly AdmittedProvider[],
  capabilities: OpenCapabilities,
  witness: HostObserver,
): Gate {
  const clients = new Map(
    admitted.map(({ config: { name, grants, limits }, module }) => [
      name,
      { requests: module.manifest.capabilities, grants: { ...grants }, ...limits },
    ]),
  );
  return createGate({ clients, capabilities, alwaysGranted: ALWAYS_GRANTED, witness });
}

interface Surroundings {
  readonly gate: Gate;
  readonly wall: Wall;
  readonly observer: HostObserver;
  readonly log: Logger;
}

function supervise(
  { config, module }: AdmittedProvider,
  { observer, log, ...run }: Surroundings,
): Supervisor {
  const { limits, name } = config;
  return new Supervisor({
    provider: name,
    module: module.bytes,
    imports: module.module.imports,
    ...limits,
    ...run,
    onStderr: (text) =>
      log.warn({ provider: name, text: text.trim() }, "the provider's process wrote to stderr"),
    onLoaded: () => observer.providerChanged(name, { type: "started" }),
    onEnd: (reason, nextInMs) => observer.providerChanged(name, { type: "ended", reason, nextInMs }),
    onQuarantine: (quarantine) => observer.providerChanged(name, { type: "quarantined", ...quarantine }),
  });
}

function withDeadline(provider: ProviderConfig, deadlineMs: number | undefined): ProviderConfig {
  return deadlineMs === undefined ? provider : { ...provider, limits: { ...provider.limits, deadlineMs } };
}

function settingsOf({ keys }: Config, provider: string): Settings {
  return new Map(keys.flatMap((key) => (key.provider === provider ? [[key.name, key.settings ?? {}]] : [])));
}
