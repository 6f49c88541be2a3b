/** kleidi key init and key list: the keys of the configured keystore, and those that providers make themselves. */
import { KeyDirectory } from "../capabilities/keystore/directory.ts";
import { fingerprint } from "../capabilities/keystore/key-file.ts";
import { StateDirectory } from "../capabilities/state/directory.ts";
import { type Config, type KeyConfig, keystoreNames, type ProviderConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { ERRORS, KleidiError } from "../error.ts";
import { type Finding, finding } from "../finding.ts";
import { isProvisioned } from "../runtime/provision.ts";
import { makeProvisioned } from "../runtime/provisioned-key.ts";
import { EXIT, print, report } from "./output.ts";

export interface KeyInitOptions {
  readonly json: boolean;
  readonly scheme?: string;
  /** A file with the key's 32 bytes. */
  readonly import?: string;
  /** A file that gets them. */
  readonly escrow?: string;
}

/** One line to print, and the record for --json. */
interface Made {
  readonly version: string;
  readonly said: readonly string[];
  readonly fields: Readonly<Record<string, string>>;
}

export async function keyInitCommand(
  configPath: string,
  name: string | undefined,
  options: KeyInitOptions,
): Promise<number> {
  const config = loadConfig(configPath);
  const wanted = name ?? config.keys.find(({ use }) => use === "active")?.name ?? "";
  const key = config.keys.find((entry) => entry.name === wanted);
  const provider = config.providers.find((each) => each.name === key?.provider);
  const { version, said, fields } =
    key !== undefined && provider !== undefined && isProvisioned(config, provider)
      ? await provisioned(config, provider, key, options)
      : inKeystore(config, wanted, key, options);
  if (options.json) print(JSON.stringify({ ok: true, ...fields }, null, 2));
  else {
    for (const line of said) print(line);
    print("To have kleidi refuse any other key under this name, write into the configuration:");
    print(`  - { name: ${wanted}, provider: ${key?.provider}, use: ${key?.use}, version: "${version}" }`);
  }
  return EXIT.SUCCESS;
}

function inKeystore(
  config: Config,
  wanted: string,
  key: KeyConfig | undefined,
  { scheme, import: imported, escrow }: KeyInitOptions,
): Made {
  if (key === undefined || !granted(config).includes(wanted)) {
    const names = granted(config).join(", ") || "none";
    throw new KleidiError(
      "config-invalid",
      `Cannot make key "${wanted}": it is not a keystore key of ${config.file}; those are: ${names}`,
    );
  }
  if ((scheme ?? imported ?? escrow) !== undefined) {
    throw new KleidiError(
      "config-invalid",
      `Cannot make key "${wanted}": --scheme, --import and --escrow are for keys that a provider makes; this one is a file of the keystore, which can be copied`,
    );
  }
  const directory = keystoreOf(config);
  const record = directory.create(wanted, key.version);
  const file = directory.keyPath(wanted);
  return {
    version: record.fingerprint,
    said: [
      `Made key "${wanted}" in ${file} (mode 0600), fingerprint ${record.fingerprint}.`,
      `Copy it and its record ${wanted}.json to every control-plane node and to a backup now: without the key, what it encrypts is lost.`,
    ],
    fields: { ...record, file },
  };
}

async function provisioned(
  config: Config,
  provider: ProviderConfig,
  key: KeyConfig,
  options: KeyInitOptions,
): Promise<Made> {
  const { import: from, escrow } = options;
  if (from !== undefined && escrow !== undefined) {
    throw new KleidiError(
      "config-invalid",
      `Cannot make key "${key.name}": give --import (bytes that are there) or --escrow (a file for new ones), not both`,
    );
  }
  const { version, imported } = await makeProvisioned(config, provider, key, options);
  if (key.version !== undefined && key.version !== version) {
    throw new KleidiError(
      "key-not-ready",
      `Cannot use key "${key.name}" that was just imported: its version is ${version}, the configuration pins ${key.version}. These are other bytes than the pinned key's, or another scheme`,
    );
  }
  const origin = imported ? "imported" : "made";
  return {
    version,
    said: [
      `Provider "${provider.name}" ${origin} key "${key.name}", version ${version}.`,
      ...(escrow === undefined
        ? []
        : [
            `Its bytes are in ${escrow} (mode 0600), and nowhere else outside the provider. Bring the file to each control-plane node for --import, keep a copy offline or none, then destroy it here.`,
          ]),
      ...(!imported
        ? [
            "It works with this KMS only: what it encrypts is lost with it. For several control planes use --escrow and --import.",
          ]
        : []),
    ],
    fields: { name: key.name, provider: provider.name, version, ...(escrow === undefined ? {} : { escrow }) },
  };
}

export function keyListCommand(configPath: string, options: { json: boolean }): number {
  const config = loadConfig(configPath);
  const records = config.providers.flatMap(({ grants }) => grants.state?.names ?? []);
  const findings = config.keys.flatMap(({ name, use }): Finding[] => {
    try {
      if (granted(config).includes(name)) return [keystoreLine(keystoreOf(config), name, use)];
      if (records.includes(name)) return [recordLine(config, name, use)];
      return [];
    } catch (error) {
      return [finding(`key ${name}`, error)];
    }
  });
  return report(findings, options.json);
}

function keystoreLine(directory: KeyDirectory, name: string, use: string): Finding {
  const bytes = directory.load(name);
  const version = fingerprint(bytes);
  bytes.wipe();
  const created = directory.record(name)?.created ?? "made elsewhere";
  return { what: `key ${name}`, ok: true, detail: `${use}, fingerprint ${version}, ${created}` };
}

/** Only its provider can tell the version of such a key: "check --live" asks it. */
function recordLine({ state }: Config, name: string, use: string): Finding {
  const what = `key ${name}`;
  const records = new StateDirectory(state?.directory ?? "");
  if (records.get(name) !== undefined) {
    return { what, ok: true, detail: `${use}, made by its provider, record ${records.recordPath(name)}` };
  }
  const detail = `${use}, its provider never made it: there is no ${records.recordPath(name)}`;
  return { what, ok: false, detail, hint: ERRORS["key-not-made"].hint };
}

function keystoreOf(config: Config): KeyDirectory {
  if (config.keystore !== undefined) return new KeyDirectory(config.keystore.directory);
  throw new KleidiError(
    "config-invalid",
    `Cannot find the keys: ${config.file} has no "keystore"; write: keystore: { directory: /var/lib/kleidi/keys }`,
  );
}

function granted(config: Config): string[] {
  return config.providers.flatMap(({ grants }) => keystoreNames(grants));
}
