/**
 * Puts a host together from a configuration: modules admitted, keys loaded, the broker's gate, a supervised sandbox for each
 * provider, and the keyset over them. Nothing runs yet.
 */
import type { CredentialEvent, Opened } from "../capabilities/capability.ts";
import { createGate, type Decision, type Outcome, type Witness } from "../capabilities/gate.ts";
import { ALWAYS_GRANTED, CAPABILITIES, KNOWN } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { grantLine } from "../config/grant-lines.ts";
import { KleidiError, toKleidiError } from "../error.ts";
import type { Gate } from "../host-call.ts";
import { type KeyConfig, Keyset } from "../kms/keyset.ts";
import { type AdmittedModule, admit } from "../module/admission.ts";
import { SandboxedProvider, type Settings } from "../sandbox/provider.ts";
import { type Quarantine, Supervisor } from "../sandbox/supervisor.ts";
import type { Wall } from "../sandbox/wall/build.ts";
import { failureFields, type Logger } from "../telemetry/log.ts";
import type { AuditTrail } from "./audit-trail.ts";
import { grantsOf } from "./grants.ts";
import { wallOf } from "./wall.ts";

export interface AssembleOptions {
  /** Told before everybody else; where it throws, nothing is done. */
  readonly audit?: Pick<AuditTrail, "decided" | "performed" | "fault" | "provider" | "credential">;
  readonly onHostCall?: (decision: Decision) => void;
  readonly onCredential?: (event: CredentialEvent) => void;
  readonly onPerformed?: (decision: Decision, outcome: Outcome) => void;
  readonly onQuarantine?: (provider: string, quarantine: Quarantine) => void;
  /** What stands before the gate, to see how long a host call takes. */
  readonly aroundGate?: (gate: Gate) => Gate;
  /** In place of each provider's own. */
  readonly deadlineMs?: number;
  /** The configuration's, where it is open already. */
  readonly wall?: Wall;
}

export interface Host {
  readonly keyset: Keyset;
  readonly providers: ReadonlyMap<string, SandboxedProvider>;
  readonly supervisors: ReadonlyMap<string, Supervisor>;
  readonly modules: ReadonlyMap<string, AdmittedModule>;
  /**
   * Starts every provider. One that cannot be started is told of and tried again, and the others serve; where none can, it rejects
   * with the first one's failure.
   */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws KleidiError module-invalid, digest-differs, module-untrusted, key-missing, key-file-invalid, wall-missing */
export async function assemble(config: Config, log: Logger, options: AssembleOptions = {}): Promise<Host> {
  const modules = new Map(
    config.providers.map((provider) => [provider.name, admitProvider(config, provider)]),
  );
  const { deadlineMs, aroundGate = (gate) => gate, audit } = options;
  const wall = options.wall ?? (await wallOf(config));
  const capabilities = await openCapabilities(config, log, (event) => {
    audit?.credential(event);
    options.onCredential?.(event);
  });
  const gate = aroundGate(gateOf(config, modules, capabilities, log, options));
  const supervisors = new Map(
    config.providers.map((provider) => [
      provider.name,
      supervisor(withDeadline(provider, deadlineMs), modules.get(provider.name), gate, wall, log, options),
    ]),
  );
  const providers = new Map(
    [...supervisors].map(([name, each]) => [
      name,
      new SandboxedProvider(name, each, settingsOf(config, name)),
    ]),
  );
  const keyset = new Keyset(
    config.keys.map(({ name, provider, use, version }): KeyConfig => {
      const found = providers.get(provider);
      if (found === undefined) throw new KleidiError("host-fault", `Cannot find provider "${provider}"`);
      return { name, provider: found, use, pin: version };
    }),
  );
  const all = [...supervisors.values()];
  return {
    keyset,
    providers,
    supervisors,
    modules,
    async start() {
      const ended = await Promise.allSettled(all.map((each) => each.start()));
      const failures = ended.flatMap((each) =>
        each.status === "rejected" ? [toKleidiError(each.reason, "start a provider")] : [],
      );
      const [first] = failures;
      if (first !== undefined && failures.length === all.length) throw first;
      for (const failure of failures) log.error(failureFields(failure), failure.message);
    },
    async stop() {
      await Promise.all(all.map((each) => each.stop()));
      await closeAll(capabilities);
    },
  };
}

function withDeadline(provider: ProviderConfig, deadlineMs: number | undefined): ProviderConfig {
  return deadlineMs === undefined ? provider : { ...provider, limits: { ...provider.limits, deadlineMs } };
}

/**
 * A provider's module, held against its configuration.
 * @throws KleidiError module-invalid, module-ungranted, digest-differs
 */
export function admitProvider(config: Config, provider: ProviderConfig): AdmittedModule {
  return admit({
    ...provider,
    trust: config.trust,
    grants: { ...provider.grants },
    known: KNOWN,
    grantLine: (...asked) => grantLine(config, provider.name, ...asked),
  });
}

function settingsOf({ keys }: Config, provider: string): Settings {
  return new Map(keys.flatMap((key) => (key.provider === provider ? [[key.name, key.settings ?? {}]] : [])));
}

/** Every capability that a provider has. @throws KleidiError as its files are missing or not intact */
async function openCapabilities(
  config: Config,
  log: Logger,
  onCredential: (event: CredentialEvent) => void,
): Promise<Record<string, Opened>> {
  const linesPerCall = new Map(config.providers.map(({ name, limits }) => [name, limits.logLines]));
  const opened: Record<string, Opened> = {};
  try {
    for (const capability of CAPABILITIES) {
      const granted = grantsOf(config, capability);
      if (capability.open === undefined || (capability.grant !== undefined && granted.grants.size === 0))
        continue;
      opened[capability.name] = await capability.open({
        ...granted,
        linesPerCall,
        log: (level, fields, message) => log[level](fields, message),
        onCredential,
      });
    }
    return opened;
  } catch (error) {
    await closeAll(opened);
    throw error;
  }
}

async function closeAll(opened: Readonly<Record<string, Opened>>): Promise<void> {
  await Promise.all(Object.values(opened).map((each) => each.close?.()));
}

function gateOf(
  config: Config,
  modules: ReadonlyMap<string, AdmittedModule>,
  capabilities: Readonly<Record<string, Opened>>,
  log: Logger,
  options: AssembleOptions,
): Gate {
  const clients = new Map(
    config.providers.map(({ name, grants, limits }) => [
      name,
      { requests: modules.get(name)?.manifest.capabilities ?? [], grants: { ...grants }, ...limits },
    ]),
  );
  const witness = witnessOf(log, options);
  return createGate({ clients, capabilities, alwaysGranted: ALWAYS_GRANTED, witness });
}

function supervisor(
  provider: ProviderConfig,
  module: AdmittedModule | undefined,
  gate: Gate,
  wall: Wall,
  log: Logger,
  { onQuarantine, audit }: AssembleOptions,
): Supervisor {
  if (module === undefined)
    throw new KleidiError("host-fault", `Cannot find the module of "${provider.name}"`);
  const { limits, name } = provider;
  return new Supervisor({
    provider: name,
    module: module.bytes,
    imports: module.module.imports,
    ...limits,
    gate,
    wall,
    onStderr: (text) =>
      log.warn({ provider: name, text: text.trim() }, "the provider's process wrote to stderr"),
    onLoaded: () => audit?.provider(name, "started"),
    onEnd(how, nextInMs) {
      log.warn({ provider: name, how, nextInMs }, "provider process exited; starting a replacement");
      audit?.provider(name, "ended", how);
    },
    onQuarantine(quarantine) {
      const { reason, until } = quarantine;
      log.error(
        { provider: name, ...(until === undefined ? {} : { until: new Date(until).toISOString() }) },
        `the provider is in quarantine: ${reason}`,
      );
      audit?.provider(name, "quarantined", reason);
      onQuarantine?.(name, quarantine);
    },
  });
}

/** Every host call in the log, denials as warnings and the rest where debug is on; and to whoever counts them. */
function witnessOf(log: Logger, { onHostCall, onPerformed, audit }: AssembleOptions): Witness {
  return {
    decided(decision) {
      audit?.decided(decision);
      const { verdict, why, target } = decision;
      const { provider, rpc, capability, operation } = decision.call;
      onHostCall?.(decision);
      if (verdict === "denied") log.warn({ provider, rpc, capability, operation }, `denied: ${why}`);
      else if (log.isLevelEnabled("debug"))
        log.debug({ provider, rpc, capability, operation, verdict, why, target }, "host call");
    },
    performed(decision, outcome) {
      audit?.performed(decision, outcome);
      onPerformed?.(decision, outcome);
    },
    fault(call, error) {
      const { provider, rpc, capability, operation } = call;
      audit?.fault(call);
      log.error(
        { provider, rpc, capability, operation, cause: String(error) },
        "a host call failed in the host",
      );
    },
  };
}

/** The log lines of a key's changes. */
export function logKeyChange(log: Logger, hash: (keyId: string) => string) {
  return ({
    key,
    keyId,
    failure,
    pendingVersion,
  }: {
    key: KeyConfig;
    keyId?: string | undefined;
    failure?: KleidiError | undefined;
    pendingVersion?: string | undefined;
  }) => {
    const fields = { key: key.name, provider: key.provider.name, use: key.use };
    if (failure !== undefined) log.error({ ...fields, ...failureFields(failure) }, failure.message);
    else if (keyId !== undefined) log.info({ ...fields, key_id_sha256: hash(keyId) }, "the key is ready");
    else if (pendingVersion !== undefined)
      log.info(fields, "the provider names a new version, which is used once it was named often enough");
  };
}
