/** Creates a key in its provider and imports or escrows its bytes: one process at a time; a failure leaves nothing behind. */
import { StateDirectory } from "../capabilities/state/directory.ts";
import type { Config, KeyConfig, ProviderConfig } from "../config/config.ts";
import { createMaterial, readMaterial, removeMaterial } from "./key-material.ts";
import { assertNeverCreated, type NewKey, provision, wasNotCreated } from "./provision.ts";

export interface Material {
  readonly scheme?: string;
  /** A file with the key's 32 bytes. */
  readonly import?: string;
  /** A file to write the 32 bytes to. */
  readonly escrow?: string;
}

export interface ProvisionedKey extends NewKey {
  /** Its bytes came from a file, or were written to one first. */
  readonly imported: boolean;
}

/** @throws KleidiError key-exists, key-locked, key-missing, key-file-invalid, state-invalid; errors of the provider */
export function createProvisionedKey(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  material: Material,
): Promise<ProvisionedKey> {
  return whileLocked(config, provider, key, () => create(config, provider, key, material));
}

/** Two processes that create one key at once would each write a file of bytes, and one of the files would belong to no key. */
async function whileLocked<T>(
  { state }: Config,
  { grants }: ProviderConfig,
  key: KeyConfig,
  work: () => Promise<T>,
): Promise<T> {
  // Without a record here, only the KMS knows whether the key exists.
  if (state === undefined || !grants.state?.names.includes(key.name)) return await work();
  const records = new StateDirectory(state.directory);
  const release = records.lock(`Cannot create key "${key.name}"`);
  try {
    records.clear([key.name]);
    return await work();
  } finally {
    release();
  }
}

async function create(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  { scheme, import: from, escrow }: Material,
): Promise<ProvisionedKey> {
  // First, because bytes in an escrow file that belong to no key would be taken for the key one day.
  assertNeverCreated(config, provider, key, (from ?? escrow) !== undefined);
  const material =
    from !== undefined ? readMaterial(from) : escrow !== undefined ? createMaterial(escrow) : undefined;
  try {
    return {
      ...(await provision(config, provider, key, { scheme, material })),
      imported: material !== undefined,
    };
  } catch (error) {
    if (escrow !== undefined && wasNotCreated(config, provider, key)) removeMaterial(escrow);
    throw error;
  } finally {
    material?.fill(0);
  }
}
