/** kleidi key init and key list: creates and lists keys of the keystore and keys that providers create. */
import { KeyDirectory } from "../capabilities/keystore/directory.ts";
import { namesOf } from "../capabilities/keystore/grant.ts";
import { fingerprint } from "../capabilities/keystore/key-file.ts";
import { StateDirectory } from "../capabilities/state/directory.ts";
import type { Config, KeyConfig, ProviderConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { KleidiError, remedyOfFault } from "../error.ts";
import { type Finding, finding } from "../finding.ts";
import { isProvisioned } from "../runtime/provision.ts";
import { createProvisionedKey } from "../runtime/provisioned-key.ts";
import { becomeOwner, becomeServingUser } from "../runtime/serving-user.ts";
import { EXIT, print, report } from "./output.ts";
import { UsageError } from "./usage-error.ts";

export interface KeyInitOptions {
  readonly json: boolean;
  readonly scheme?: string;
  /** The path of a file with the 32 bytes of the key. */
  readonly import?: string;
  /** The path of a new file to which random bytes of the key are written. */
  readonly escrow?: string;
}

/** A new key: the lines for people, and the fields for --json. */
interface CreatedKey {
  readonly version: string;
  readonly lines: readonly string[];
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Creates a key and prints its version.
 * @param name by default the active key
 * @throws KleidiError, the key cannot be created, or one exists or ever existed under this name
 */
export async function keyInitCommand(
  configPath: string,
  name: string | undefined,
  options: KeyInitOptions,
): Promise<number> {
  const config = loadConfig(configPath);
  const wanted = name ?? config.keys.find(({ use }) => use === "active")?.name ?? "";
  const key = config.keys.find((entry) => entry.name === wanted);
  const provider = config.providers.find((each) => each.name === key?.provider);
  // As root, the files would belong to root, and the service could not read them.
  const owner = becomeOwner([folderOf(config, provider, wanted)]);
  const { version, lines, fields } =
    key !== undefined && provider !== undefined && isProvisioned(config, provider)
      ? await provision(config, provider, key, options)
      : createInKeystore(config, wanted, key, options);
  if (options.json) print(JSON.stringify({ ok: true, ...fields, ...(owner && { uid: owner.uid }) }, null, 2));
  else {
    for (const line of lines) print(line);
    if (owner !== undefined)
      print(
        `It belongs to the uid ${owner.uid}, which owns ${owner.folder}: the command took the rights of that user.`,
      );
    print("To make kleidi refuse any other key under this name, write in the configuration:");
    print(`  - { name: ${wanted}, provider: ${key?.provider}, use: ${key?.use}, version: "${version}" }`);
  }
  return EXIT.SUCCESS;
}

/** The folder that the files of a new key are created in; undefined if the key has no file here. */
function folderOf(
  { keystore, state }: Config,
  provider: ProviderConfig | undefined,
  name: string,
): string | undefined {
  const isRecord = provider?.grants.state?.names.includes(name) ?? false;
  return isRecord ? state?.directory : keystore?.directory;
}

function createInKeystore(
  config: Config,
  wanted: string,
  key: KeyConfig | undefined,
  { scheme, import: imported, escrow }: KeyInitOptions,
): CreatedKey {
  if (key === undefined || !grantedNames(config).includes(wanted)) {
    const names = grantedNames(config).join(", ") || "none";
    throw new KleidiError(
      "config-invalid/key",
      `Cannot create key "${wanted}": it is not a keystore key of ${config.file}; its keystore keys are: ${names}`,
    );
  }
  if ((scheme ?? imported ?? escrow) !== undefined) {
    throw new UsageError(
      `Cannot create key "${wanted}": --scheme, --import and --escrow are for keys that a provider creates; this key is a file of the keystore, which can be copied`,
    );
  }
  const directory = keystoreOf(config);
  const record = directory.create(wanted, key.version);
  const file = directory.keyPath(wanted);
  return {
    version: record.fingerprint,
    lines: [
      `Created key "${wanted}" in ${file} (mode 0600), fingerprint ${record.fingerprint}.`,
      `Copy it and its record ${wanted}.json to every control-plane node and to a backup now: without the key, the data that it encrypts is lost.`,
    ],
    fields: { ...record, file },
  };
}

async function provision(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  options: KeyInitOptions,
): Promise<CreatedKey> {
  const { import: from, escrow } = options;
  if (from !== undefined && escrow !== undefined) {
    throw new UsageError(
      `Cannot create key "${key.name}": give --import (existing bytes) or --escrow (a file for new bytes), not both`,
    );
  }
  const { version, imported, replaced, warnings } = await createProvisionedKey(
    config,
    provider,
    key,
    options,
  );
  if (key.version !== undefined && key.version !== version) {
    throw new KleidiError(
      "key-not-ready/imported",
      `Cannot use key "${key.name}" that was just imported: its version is ${version}, the configuration pins ${key.version}. The bytes or the scheme differ from those of the pinned key`,
    );
  }
  const origin = imported ? "imported" : "created";
  const again = replaced
    ? ["The key existed: its record is replaced, and what it encrypted before can be decrypted."]
    : [];
  return {
    version,
    lines: [
      `Provider "${provider.name}" ${origin} key "${key.name}", version ${version}.`,
      ...again,
      ...(escrow === undefined
        ? []
        : [
            `Its bytes are in ${escrow} (mode 0600), and nowhere else outside the provider. Copy the file to each control-plane node for --import, keep at most one copy offline, then destroy it here.`,
          ]),
      ...(!imported
        ? [
            "It works with this KMS only: if the KMS is lost, the data that the key encrypts is lost. For several control planes use --escrow and --import.",
          ]
        : []),
      ...warnings.map((warning) => `Warning: ${warning}`),
    ],
    fields: {
      ...{ name: key.name, provider: provider.name, version, replaced, warnings },
      ...(escrow === undefined ? {} : { escrow }),
    },
  };
}

/** Prints the keys with their fingerprints or records. @throws KleidiError config-invalid */
export function keyListCommand(configPath: string, options: { json: boolean }): number {
  const config = loadConfig(configPath);
  const found = becomeServingUser(config);
  const records = config.providers.flatMap(({ grants }) => grants.state?.names ?? []);
  const keys = config.keys.flatMap(({ name, use }): Finding[] => {
    try {
      if (grantedNames(config).includes(name)) return [keystoreLine(keystoreOf(config), name, use)];
      if (records.includes(name)) return [recordLine(config, name, use)];
      return [];
    } catch (error) {
      return [finding(`key ${name}`, error)];
    }
  });
  return report([...found, ...keys], options.json);
}

function keystoreLine(directory: KeyDirectory, name: string, use: string): Finding {
  const bytes = directory.load(name);
  const version = fingerprint(bytes);
  bytes.wipe();
  const created = directory.record(name)?.created ?? "created elsewhere";
  return { subject: `key ${name}`, ok: true, detail: `${use}, fingerprint ${version}, ${created}` };
}

/** A key with a record. Only its provider knows the version: "check --live" asks it. */
function recordLine({ state }: Config, name: string, use: string): Finding {
  const subject = `key ${name}`;
  const records = new StateDirectory(state?.directory ?? "");
  if (records.get(name) !== undefined) {
    return {
      subject,
      ok: true,
      detail: `${use}, created by its provider, record ${records.recordPath(name)}`,
    };
  }
  const detail = `${use}, its provider has not created it: ${records.recordPath(name)} does not exist`;
  return { subject, ok: false, detail, hint: remedyOfFault("key-not-made") };
}

function keystoreOf(config: Config): KeyDirectory {
  if (config.keystore !== undefined) return new KeyDirectory(config.keystore.directory);
  throw new KleidiError(
    "config-invalid/key",
    `Cannot find the keys: ${config.file} has no "keystore"; write: keystore: { directory: /var/lib/kleidi/keys }`,
  );
}

/** @returns the names of all keystore keys that are granted to a provider */
function grantedNames(config: Config): string[] {
  return config.providers.flatMap(({ grants: { keystore } }) =>
    keystore === undefined ? [] : namesOf(keystore),
  );
}
