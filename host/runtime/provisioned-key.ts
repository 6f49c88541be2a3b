/** Makes a key that its provider makes itself, and its bytes' way in or out: one process at a time, and nothing is left where it fails. */
import { StateDirectory } from "../capabilities/state/directory.ts";
import type { Config, KeyConfig, ProviderConfig } from "../config/config.ts";
import { makeMaterial, readMaterial, removeMaterial } from "./key-material.ts";
import { assertNeverMade, provision, wasNotMade } from "./provision.ts";

export interface Material {
  readonly scheme?: string;
  /** A file with the key's 32 bytes. */
  readonly import?: string;
  /** A file that gets them. */
  readonly escrow?: string;
}

export interface MadeKey {
  readonly version: string;
  /** Its bytes came from a file, or went into one first. */
  readonly imported: boolean;
}

/** @throws KleidiError key-exists, key-locked, key-missing, key-file-invalid, state-invalid; what the provider failed with */
export function makeProvisioned(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  material: Material,
): Promise<MadeKey> {
  return whileLocked(config, provider, key, () => make(config, provider, key, material));
}

/** Two that make one key at once would each write a file of bytes, one of which would belong to no key. */
async function whileLocked<T>(
  { state }: Config,
  { grants }: ProviderConfig,
  key: KeyConfig,
  work: () => Promise<T>,
): Promise<T> {
  // Without a record here, the KMS alone says whether there is a key.
  if (state === undefined || !grants.state?.names.includes(key.name)) return await work();
  const records = new StateDirectory(state.directory);
  const release = records.lock(`Cannot make key "${key.name}"`);
  try {
    records.clear([key.name]);
    return await work();
  } finally {
    release();
  }
}

async function make(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  { scheme, import: from, escrow }: Material,
): Promise<MadeKey> {
  // First: bytes in an escrow file that became no key would be taken for it one day.
  assertNeverMade(config, provider, key, (from ?? escrow) !== undefined);
  const material =
    from !== undefined ? readMaterial(from) : escrow !== undefined ? makeMaterial(escrow) : undefined;
  try {
    return {
      version: await provision(config, provider, key, { scheme, material }),
      imported: material !== undefined,
    };
  } catch (error) {
    if (escrow !== undefined && wasNotMade(config, provider, key)) removeMaterial(escrow);
    throw error;
  } finally {
    material?.fill(0);
  }
}
