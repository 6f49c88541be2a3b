/**
 * The providers of a configuration, each as a supervised sandbox behind its gate: their modules admitted, their capabilities opened. A
 * serving host, `kleidi check --live`, `kleidi doctor` and `kleidi key init` run their providers with it.
 */
import { KNOWN } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { grantLine } from "../config/grant-lines.ts";
import { KleidiError, toKleidiError } from "../error.ts";
import type { Gate } from "../host-call.ts";
import { type KeyConfig, Keyset, type SimpleKey } from "../kms/keyset.ts";
import type { Provider } from "../kms/provider.ts";
import { type AdmitOptions, type AdmittedModule, admit } from "../module/admission.ts";
import { admissionFaults } from "../module/admission-faults.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { failureFields, type Logger } from "../telemetry/log.ts";
import { EventLog } from "./event-log.ts";
import { GuestLog } from "./guest-log.ts";
import { combineObservers, type HostObserver } from "./observer.ts";
import { RefusedProvider } from "./refused-provider.ts";
import { type AdmittedProvider, RunnableProvider } from "./runnable-provider.ts";
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
  /** Providers that run: those that can serve the configuration as they are go on. */
  readonly reuse?: readonly RunnableProvider[];
}

export class Providers {
  /** Those whose modules are admitted, in the order of the configuration. */
  readonly all: readonly RunnableProvider[];
  /** Those whose modules are not; their calls fail. */
  readonly refused: readonly RefusedProvider[];
  /** Those of `all` that another set had started. */
  readonly #reused: ReadonlySet<RunnableProvider>;
  readonly #log: Logger;

  private constructor(
    all: readonly RunnableProvider[],
    refused: readonly RefusedProvider[],
    reused: ReadonlySet<RunnableProvider>,
    log: Logger,
  ) {
    this.all = all;
    this.refused = refused;
    this.#reused = reused;
    this.#log = log;
  }

  /**
   * Admits the modules and opens the capabilities. No process is started. If a module is not admitted, this is logged, and the others serve.
   * @throws KleidiError of the first module (module-invalid, module-ungranted, module-untrusted, digest-differs), if none is admitted;
   * key-missing, key-file-invalid, wall-missing. Nothing is left open
   */
  static async open(config: Config, log: Logger, options: ProvidersOptions = {}): Promise<Providers> {
    const {
      observer = combineObservers([new EventLog(log), new GuestLog(log)]),
      measure = (gate) => gate,
      deadlineMs,
      reuse = [],
    } = options;
    const kept = reuse.filter((each) => each.serves(config));
    const { admitted, refused } = admitAll(config, kept, deadlineMs);
    for (const { name, failure } of refused)
      log.error(
        { provider: name, ...failureFields(failure) },
        `${failure.message}; the other providers serve`,
      );
    const wall = options.wall ?? (await wallOf(config));
    const all: RunnableProvider[] = [];
    const reused = new Set(kept);
    try {
      for (const each of admitted)
        all.push(
          each instanceof RunnableProvider
            ? each
            : await RunnableProvider.open(config, each, { wall, observer, log, measure }),
        );
    } catch (error) {
      await closeAll(all.filter((each) => !reused.has(each)));
      throw error;
    }
    return new Providers(all, refused, reused, log);
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
   * Starts every provider that is not running. If one cannot be started, this is logged, its supervisor tries again, and the others serve.
   * @throws KleidiError of the first provider, if none can be started
   */
  async start(): Promise<void> {
    const started = this.all.filter((each) => !this.#reused.has(each));
    const results = await Promise.allSettled(started.map(({ supervisor }) => supervisor.start()));
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [toKleidiError(result.reason, "start a provider")] : [],
    );
    const [first] = failures;
    if (first !== undefined && failures.length === this.all.length) throw first;
    for (const failure of failures) this.#log.error(failureFields(failure), failure.message);
  }

  /**
   * Stops every process and closes the capabilities. RPCs in flight fail.
   * @param kept providers that another set goes on with
   */
  async close(kept: readonly RunnableProvider[] = []): Promise<void> {
    await closeAll(this.all.filter((each) => !kept.includes(each)));
  }
}

async function closeAll(providers: readonly RunnableProvider[]): Promise<void> {
  await Promise.all(providers.map((each) => each.close()));
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

/**
 * The keys of the configuration over these providers.
 * @param former the keys before a reload
 */
export function keysetOf(config: Config, providers: Providers, former?: Keyset): Keyset {
  return new Keyset(
    kmsKeysOf(config, (name) => providers.ofKey(name)),
    former,
  );
}

function kmsKeysOf({ keys }: Config, providerOf: (name: string) => Provider): KeyConfig[] {
  const simple = new Map(
    keys.flatMap(({ name, provider, use, version, foreign }): [string, SimpleKey][] =>
      provider === undefined
        ? []
        : [[name, { name, provider: providerOf(provider), use, pin: version, foreign }]],
    ),
  );
  return keys.map((key): KeyConfig => {
    if (key.members === undefined) return memberOf(simple, key.name);
    const { name, mode, use, members } = key;
    return { name, mode, use, members: members.map((each) => memberOf(simple, each)) };
  });
}

function memberOf(keys: ReadonlyMap<string, SimpleKey>, name: string): SimpleKey {
  const key = keys.get(name);
  // The rules of the configuration exclude it.
  if (key === undefined) throw new KleidiError("host-fault", `Cannot find key "${name}"`);
  return key;
}

/**
 * @param kept providers that run already, and are taken as they are
 * @throws KleidiError of the first module, if none is admitted
 */
function admitAll(
  config: Config,
  kept: readonly RunnableProvider[],
  deadlineMs: number | undefined,
): { admitted: (AdmittedProvider | RunnableProvider)[]; refused: RefusedProvider[] } {
  const admitted: (AdmittedProvider | RunnableProvider)[] = [];
  const refused: RefusedProvider[] = [];
  for (const provider of config.providers) {
    const running = kept.find((each) => each.config.name === provider.name);
    if (running !== undefined) {
      admitted.push(running);
      continue;
    }
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

function withDeadline(provider: ProviderConfig, deadlineMs: number | undefined): ProviderConfig {
  return deadlineMs === undefined ? provider : { ...provider, limits: { ...provider.limits, deadlineMs } };
}
