/**
 * Has a provider make a key: its module's kleidi_provision, in a process of its own, under the grants of its configuration and
 * with what only provisioning may do. A serving host never calls it.
 */
import { StateDirectory } from "../capabilities/state/directory.ts";
import type { Config, KeyConfig, ProviderConfig } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { checkStatusReply } from "../kms/check-reply.ts";
import { createLog } from "../telemetry/log.ts";
import { admitProvider, Providers } from "./providers.ts";

export interface ProvisionOptions {
  readonly scheme?: string | undefined;
  /** Key material from outside; absent: the provider has its KMS make the key. */
  readonly material?: Uint8Array | undefined;
}

/** Hardware may take seconds for each of several commands; nobody waits but a person. */
const DEADLINE_MS = 60_000;

/** Whether this provider makes its keys itself. @throws KleidiError as admission does */
export function isProvisioned(config: Config, provider: ProviderConfig): boolean {
  const { manifest } = admitProvider(config, provider);
  return manifest.capabilities.some(({ rpcs }) => rpcs.includes("provision"));
}

/**
 * The version of the key that was made. Whether it may be made is for assertNeverMade, before there is any material.
 * @throws KleidiError what the provider failed with
 */
export async function provision(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  { scheme = "", material }: ProvisionOptions,
): Promise<string> {
  // This provider alone: the others' keys may not even be made yet.
  const alone = {
    ...config,
    providers: [provider],
    keys: config.keys.filter((each) => each.provider === provider.name),
  };
  const providers = await Providers.open(alone, createLog({ level: "warn" }), { deadlineMs: DEADLINE_MS });
  try {
    await providers.start();
    const sandboxed = providers.get(provider.name).provider;
    const version = await sandboxed.provision({ key: key.name, scheme, material });
    checkStatusReply(provider.name, { version, olderVersions: [] });
    return version;
  } finally {
    await providers.close();
  }
}

/**
 * The guest looks too; this says it in the operator's words, before anything is started or written.
 * @param imported whether its bytes come from outside: then the pinned key can be made again
 * @throws KleidiError key-exists, key-missing, state-invalid
 */
export function assertNeverMade(
  { state }: Config,
  { grants }: ProviderConfig,
  key: KeyConfig,
  imported: boolean,
): void {
  const action = `Cannot make key "${key.name}"`;
  if (state !== undefined && grants.state?.names.includes(key.name)) {
    const records = new StateDirectory(state.directory);
    // A record that is gone and was there is told by get.
    if (records.get(key.name) !== undefined) {
      throw new KleidiError("key-exists", `${action}: ${records.recordPath(key.name)} exists already`);
    }
  }
  if (key.version !== undefined && !imported) {
    throw new KleidiError(
      "key-missing",
      `${action}: the configuration pins version ${key.version}, so the key was made before, and its record is gone; ciphertexts may exist that only that key opens`,
    );
  }
}

/** Whether there is surely no key of this name after a provision that failed; where its record is not here, nobody can say. */
export function wasNotMade({ state }: Config, { grants }: ProviderConfig, { name }: KeyConfig): boolean {
  if (state === undefined || !grants.state?.names.includes(name)) return false;
  try {
    return new StateDirectory(state.directory).get(name) === undefined;
  } catch {
    return false;
  }
}
