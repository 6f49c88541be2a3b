/** kleidi key init and key list: the software keys of the configured keystore. */
import { KeyDirectory } from "../broker/keystore/directory.ts";
import { fingerprint } from "../broker/keystore/key-file.ts";
import { type Config, keystoreNames } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { KleidiError } from "../error.ts";
import { EXIT, type Finding, finding, print, report } from "./output.ts";

export function keyInitCommand(
  configPath: string,
  name: string | undefined,
  options: { json: boolean },
): number {
  const config = loadConfig(configPath);
  const directory = keystoreOf(config);
  const wanted = name ?? config.keys.find(({ use }) => use === "active")?.name ?? "";
  const key = config.keys.find((entry) => entry.name === wanted);
  if (key === undefined || !granted(config).includes(wanted)) {
    const names = granted(config).join(", ") || "none";
    throw new KleidiError(
      "config-invalid",
      `Cannot make key "${wanted}": it is not a keystore key of ${config.file}; those are: ${names}`,
    );
  }
  const record = directory.create(wanted, key.version);
  if (options.json) print(JSON.stringify({ ok: true, ...record, file: directory.keyPath(wanted) }, null, 2));
  else {
    print(
      `Made key "${wanted}" in ${directory.keyPath(wanted)} (mode 0600), fingerprint ${record.fingerprint}.`,
    );
    print(
      `Copy it and its record ${wanted}.json to every control-plane node and to a backup now: without the key, what it encrypts is lost.`,
    );
    print("To have kleidi refuse any other key under this name, write into the configuration:");
    print(
      `  - { name: ${wanted}, provider: ${key.provider}, use: ${key.use}, version: "${record.fingerprint}" }`,
    );
  }
  return EXIT.GOOD;
}

export function keyListCommand(configPath: string, options: { json: boolean }): number {
  const config = loadConfig(configPath);
  const directory = keystoreOf(config);
  const findings = config.keys
    .filter(({ name }) => granted(config).includes(name))
    .map(({ name, use }): Finding => {
      try {
        const bytes = directory.load(name);
        const version = fingerprint(bytes);
        bytes.wipe();
        const created = directory.record(name)?.created ?? "made elsewhere";
        return { what: `key ${name}`, ok: true, detail: `${use}, fingerprint ${version}, ${created}` };
      } catch (error) {
        return finding(`key ${name}`, error);
      }
    });
  return report(findings, options.json);
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
