/**
 * Creates a key in a provider: calls its module's kleidi_provision in a process of its own, with the provider's grants and with the host
 * calls that only provisioning may make. A serving host never calls it.
 */
import { StateDirectory } from "../capabilities/state/directory.ts";
import type { Config, KeyConfig, ProviderConfig } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { checkStatusReply } from "../kms/check-reply.ts";
import { createLog } from "../telemetry/log.ts";
import { EventLog } from "./event-log.ts";
import { Remarks } from "./guest-log.ts";
import { combineObservers } from "./observer.ts";
import { admitProvider, Providers } from "./providers.ts";

export interface ProvisionOptions {
  readonly scheme?: string | undefined;
  /** Bytes of an imported key; absent: the KMS generates the key. */
  readonly material?: Uint8Array | undefined;
}

export interface NewKey {
  readonly version: string;
  readonly warnings: readonly string[];
}

/** Hardware may take seconds for each of several commands, and only a person waits. */
const DEADLINE_MS = 60_000;

/** True if this provider creates its keys itself. @throws KleidiError of admission */
export function isProvisioned(config: Config, provider: ProviderConfig): boolean {
  const { manifest } = admitProvider(config, provider);
  return manifest.capabilities.some(({ rpcs }) => rpcs.includes("provision"));
}

/**
 * Creates the key. Call assertNeverCreated first, before there is any key material.
 * @returns the version of the new key, and the warnings of the provider about it
 * @throws KleidiError of the provider
 */
export async function provision(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  { scheme = "", material }: ProvisionOptions,
): Promise<NewKey> {
  // This provider alone: the keys of the others may not exist yet.
  const alone = {
    ...config,
    providers: [provider],
    keys: config.keys.filter((each) => each.provider === provider.name),
  };
  const log = createLog({ level: "warn" });
  const remarks = new Remarks();
  const observer = combineObservers([new EventLog(log), remarks]);
  const providers = await Providers.open(alone, log, { deadlineMs: DEADLINE_MS, observer });
  try {
    await providers.start();
    const sandboxed = providers.get(provider.name).provider;
    const version = await sandboxed.provision({ key: key.name, scheme, material });
    checkStatusReply(provider.name, { version, olderVersions: [] });
    return { version, warnings: remarks.take().map(({ line }) => line) };
  } finally {
    await providers.close();
  }
}

/**
 * Refuses to create a key that exists or existed. The guest checks this too; here the error names files of the operator, before anything
 * is started or written.
 * @param imported whether its bytes are imported: then the pinned key can be created again
 * @throws KleidiError key-exists, key-missing, state-invalid
 */
export function assertNeverCreated(
  { state }: Config,
  { grants }: ProviderConfig,
  key: KeyConfig,
  imported: boolean,
): void {
  const action = `Cannot create key "${key.name}"`;
  if (state !== undefined && grants.state?.names.includes(key.name)) {
    const records = new StateDirectory(state.directory);
    // `get` throws if a record existed and is gone.
    if (records.get(key.name) !== undefined) {
      throw new KleidiError(
        "key-exists/record",
        `${action}: ${records.recordPath(key.name)} exists already; to restore this key from its escrowed bytes, use --import`,
      );
    }
  }
  if (key.version !== undefined && !imported) {
    throw new KleidiError(
      "key-missing/record",
      `${action}: the configuration pins version ${key.version}, so the key was created before, and its record is gone; ciphertexts may exist that only that key opens`,
    );
  }
}

/** True if no key of this name exists after a failed `provision`. False if that is unknown: its record is not on this machine. */
export function wasNotCreated({ state }: Config, { grants }: ProviderConfig, { name }: KeyConfig): boolean {
  if (state === undefined || !grants.state?.names.includes(name)) return false;
  try {
    return new StateDirectory(state.directory).get(name) === undefined;
  } catch {
    return false;
  }
}
