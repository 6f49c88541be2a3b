/** YAML text → Config, or every fault in it. */
import { dirname, resolve } from "node:path";
import type {
  AdminConfig,
  AuditConfig,
  Config,
  GrantsConfig,
  ProviderConfig,
  RevokedConfig,
  TrustConfig,
} from "./config.ts";
import { ConfigError, type ConfigFault } from "./config-error.ts";
import { Document } from "./document.ts";
import { faultsOf } from "./faults.ts";
import { netOf } from "./net.ts";
import { leastProcessBytes } from "./process-memory.ts";
import { brokenRules } from "./rules.ts";
import { type RawConfig, SCHEMA } from "./schema.ts";

/**
 * Parses the text of a configuration file; reads and writes nothing.
 * `file` is the path that faults name, and relative paths in the text are resolved against its folder.
 * Throws ConfigError, with every fault at once; after a syntax fault, with the syntax faults only.
 */
export function parseConfig(text: string, file: string): Config {
  const document = new Document(text);
  if (document.value === undefined || document.value === null)
    throw new ConfigError(file, document.faults.length > 0 ? document.faults : [empty(document)]);

  const path = resolve(file);
  const parsed = SCHEMA.safeParse(document.value);
  const faults = [
    ...document.faults,
    ...faultsOf(parsed.error?.issues ?? [], document),
    ...brokenRules(document, dirname(path)),
  ];
  if (!parsed.success || faults.length > 0) throw new ConfigError(file, oneAPlace(faults));
  return frozen(configOf(parsed.data, path));
}

function empty(document: Document): ConfigFault {
  return document.fault([], {
    expected: "a configuration",
    actual: "an empty file",
    remedy: "write: apiVersion: kleidi.dev/v1 (docs/configuration.md has a full example)",
  });
}

/** Keeps the first fault of a place: what the schema says comes before what a rule says. */
function oneAPlace(faults: readonly ConfigFault[]): ConfigFault[] {
  const places = new Map<string, ConfigFault>();
  for (const fault of faults.toReversed()) places.set(`${fault.line}:${fault.column} ${fault.path}`, fault);
  return [...places.values()].toReversed();
}

function configOf(raw: RawConfig, file: string): Config {
  const absolute = (path: string) => resolve(dirname(file), path);
  const { listen, keystore, state, trust, log, audit } = raw;
  return {
    file,
    listen: {
      socket: absolute(listen.socket),
      mode: listen.mode,
      ...(listen.group === undefined ? {} : { group: listen.group }),
    },
    ...(keystore === undefined ? {} : { keystore: { directory: absolute(keystore.directory) } }),
    ...(trust === undefined ? {} : { trust: trustOf(trust) }),
    ...(state === undefined ? {} : { state: { directory: absolute(state.directory) } }),
    providers: Object.entries(raw.providers).map(([name, provider]): ProviderConfig => {
      const { memory, processMemory, input, output, deadline, ...limits } = provider.limits;
      const { signatures = [`${provider.module}.minisig`] } = provider;
      return {
        name,
        module: absolute(provider.module),
        sha256: provider.sha256,
        ...(trust === undefined ? {} : { signatures: signatures.map(absolute) }),
        grants: grantsOf(provider.grants, absolute),
        limits: {
          memoryBytes: memory,
          processMemoryBytes: processMemory ?? leastProcessBytes({ memory, ...limits }),
          inputBytes: input,
          outputBytes: output,
          deadlineMs: deadline,
          ...limits,
        },
      };
    }),
    keys: raw.keys.map(({ name, provider, use, version, settings }) => ({
      name,
      provider,
      use,
      ...(version === undefined ? {} : { version }),
      ...(settings === undefined ? {} : { settings }),
    })),
    sandbox: {
      wall: raw.sandbox.wall,
      ...(raw.sandbox.programs === undefined ? {} : { programs: absolute(raw.sandbox.programs) }),
    },
    status: { intervalMs: raw.status.interval, stableProbes: raw.status.stableProbes },
    ...(raw.admin === undefined ? {} : { admin: adminOf(raw.admin, absolute) }),
    ...(audit === undefined ? {} : { audit: auditOf(audit, absolute) }),
    log: { level: log.level, ...(log.file === undefined ? {} : { file: absolute(log.file) }) },
  };
}

function adminOf(
  { listen, mode = 0o600, group }: NonNullable<RawConfig["admin"]>,
  absolute: (path: string) => string,
): AdminConfig {
  if (!("socket" in listen)) return listen;
  return { socket: absolute(listen.socket), mode, ...(group === undefined ? {} : { group }) };
}

function auditOf(
  { file, stdout, rotate, checkpoints }: NonNullable<RawConfig["audit"]>,
  absolute: (path: string) => string,
): AuditConfig {
  return {
    ...(file === undefined ? {} : { file: absolute(file) }),
    stdout,
    ...(rotate === undefined
      ? {}
      : {
          rotate: {
            sizeBytes: rotate.size,
            ...(rotate.keep === undefined ? {} : { keep: rotate.keep }),
          },
        }),
    ...(checkpoints === undefined
      ? {}
      : {
          checkpoints: {
            key: absolute(checkpoints.key),
            lines: checkpoints.lines,
            intervalMs: checkpoints.interval,
          },
        }),
  };
}

function trustOf({ keys, threshold, revoked }: NonNullable<RawConfig["trust"]>): TrustConfig {
  return {
    keys: keys.map(({ name, key, expires }) => ({
      name,
      key,
      ...(expires === undefined ? {} : { expires }),
    })),
    threshold,
    // a rule has seen that each has one of the two
    revoked: revoked.map(
      ({ sha256, key = "", why }): RevokedConfig => (sha256 === undefined ? { key, why } : { sha256, why }),
    ),
  };
}

/** What is not granted is not there. */
function grantsOf(
  { keystore, tpm, state, net }: RawConfig["providers"][string]["grants"],
  absolute: (path: string) => string,
): GrantsConfig {
  return {
    ...(keystore === undefined ? {} : { keystore: { ...keystore, keys: keystore.keys ?? [] } }),
    ...(tpm === undefined
      ? {}
      : {
          tpm: {
            ...tpm,
            hierarchies: tpm.hierarchies ?? ["owner"],
            persistent: tpm.persistent ?? [],
            templates: tpm.templates ?? [],
            unseal: tpm.unseal ?? false,
          },
        }),
    ...(state === undefined ? {} : { state }),
    ...(net === undefined ? {} : { net: netOf(net, absolute) }),
  };
}

function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === "object" && part !== null) frozen(part);
  return Object.freeze(value);
}
