/** Creates a key in its provider and imports or escrows its bytes: one process at a time; a failure leaves nothing behind. */
import { StateDirectory } from "../capabilities/state/directory.ts";
import type { Config, KeyConfig, ProviderConfig } from "../config/config.ts";
import { KleidiError } from "../error.ts";
import { type FormerKey, findFormerKey } from "./former-key.ts";
import { createMaterial, readMaterial, removeMaterial } from "./key-material.ts";
import {
  assertNeverCreated,
  type NewKey,
  type ProvisionOptions,
  provision,
  wasNotCreated,
} from "./provision.ts";

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
  /** The key existed: its record was replaced. */
  readonly replaced: boolean;
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
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  work: () => Promise<T>,
): Promise<T> {
  const records = recordsOf(config, provider, key);
  // Without a record here, only the KMS knows whether the key exists.
  if (records === undefined) return await work();
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
  const records = recordsOf(config, provider, key);
  const former = from === undefined || records === undefined ? undefined : findFormerKey(records, key);
  // First, because bytes in an escrow file that belong to no key would be taken for the key one day.
  if (former === undefined) assertNeverCreated(config, provider, key, (from ?? escrow) !== undefined);
  const material =
    from !== undefined ? readMaterial(from) : escrow !== undefined ? createMaterial(escrow) : undefined;
  const options = { scheme: scheme ?? former?.scheme, material };
  try {
    const made =
      former === undefined || records === undefined
        ? await provision(config, provider, key, options)
        : await importAgain(config, provider, key, options, former, records);
    return { ...made, imported: material !== undefined, replaced: former !== undefined };
  } catch (error) {
    if (escrow !== undefined && wasNotCreated(config, provider, key)) removeMaterial(escrow);
    throw error;
  } finally {
    material?.fill(0);
  }
}

/** Imports the bytes beside the record, and replaces the record only if they give the same version. */
async function importAgain(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  options: ProvisionOptions,
  former: FormerKey,
  records: StateDirectory,
): Promise<NewKey> {
  return await records.replace(key.name, async ({ path }) => {
    const made = await provision({ ...config, state: { directory: path } }, provider, key, options);
    if (made.version === former.version) return made;
    throw new KleidiError(
      "key-not-ready/imported",
      `Cannot import key "${key.name}": its version is ${made.version}, ${former.source} ${former.version}. The bytes or the scheme differ; nothing was changed`,
    );
  });
}

/** The folder of the key's record; undefined if the provider keeps none on this machine. */
function recordsOf(
  { state }: Config,
  { grants }: ProviderConfig,
  { name }: KeyConfig,
): StateDirectory | undefined {
  if (state === undefined || !grants.state?.names.includes(name)) return undefined;
  return new StateDirectory(state.directory);
}
