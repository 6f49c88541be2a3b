/** kleidi check: looks at the configuration, the modules, the grants and the keys; with --live it also uses them. */
import { KeyDirectory } from "../broker/keystore/directory.ts";
import { fingerprint } from "../broker/keystore/key-file.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { checkStatusReply } from "../kms/check-reply.ts";
import { seal } from "../kms/seal.ts";
import { admit } from "../sandbox/admission.ts";
import type { Manifest } from "../sandbox/manifest.ts";
import { createLog } from "../telemetry/log.ts";
import { assemble } from "./assemble.ts";
import { type Finding, finding, report } from "./output.ts";

export async function checkCommand(
  configPath: string,
  options: { live: boolean; json: boolean },
): Promise<number> {
  const config = loadConfig(configPath);
  const findings: Finding[] = [
    { what: "configuration", ok: true, detail: `${config.file} is valid, ${config.keys.length} keys` },
    ...config.providers.flatMap(checkProvider),
    ...checkKeys(config),
  ];
  if (options.live && findings.every(({ ok }) => ok)) findings.push(...(await checkLive(config)));
  return report(findings, options.json);
}

/** The module's digest and outline, and what it can reach: requested, granted, and the difference. */
function checkProvider(provider: ProviderConfig): Finding[] {
  const what = `provider ${provider.name}`;
  try {
    const { manifest, sha256 } = admit(provider);
    const module = `${manifest.name} ${manifest.version}, sha256 ${sha256.slice(0, 16)}… as pinned`;
    return [{ what, ok: true, detail: module }, ...reach(provider, manifest)];
  } catch (error) {
    return [finding(what, error)];
  }
}

function reach(provider: ProviderConfig, manifest: Manifest): Finding[] {
  const what = `provider ${provider.name} can reach`;
  const rows = manifest.capabilities.map(({ capability, operations, rpcs }): Finding => {
    const need = `${capability} ${operations.join(", ")} in ${rpcs.join(", ")}`;
    if (capability === "log" || capability === "crypto") {
      return { what, ok: true, detail: `${need} (always granted)` };
    }
    const keys = capability === "keystore" ? provider.grants.keystore?.keys : undefined;
    if (keys !== undefined) return { what, ok: true, detail: `${need}, of keys ${keys.join(", ")}` };
    return {
      what,
      ok: false,
      detail: `${need} is requested and not granted`,
      hint: `If it may have it, write under providers.${provider.name}: grants: { ${capability}: … }`,
    };
  });
  return rows.length > 0 ? rows : [{ what, ok: true, detail: "nothing" }];
}

function checkKeys(config: Config): Finding[] {
  if (config.keystore === undefined) return [];
  const directory = new KeyDirectory(config.keystore.directory);
  const granted = config.providers.flatMap(({ grants }) => grants.keystore?.keys ?? []);
  return granted.map((name): Finding => {
    const what = `key ${name}`;
    try {
      const bytes = directory.load(name);
      const version = fingerprint(bytes);
      bytes.wipe();
      return { what, ok: true, detail: `${directory.keyPath(name)} is whole, fingerprint ${version}` };
    } catch (error) {
      return finding(what, error);
    }
  });
}

/** Status of every key, and Encrypt and Decrypt with the active one, through the sandbox. */
async function checkLive(config: Config): Promise<Finding[]> {
  const host = await assemble(config, createLog({ level: "error" }));
  const findings: Finding[] = [];
  try {
    await host.start();
    for (const key of host.keyset.keys) {
      const what = `live ${key.name}`;
      try {
        const versions = await key.provider.status(key.name);
        checkStatusReply(key.provider.name, versions);
        const current = await host.keyset.learn(key, versions);
        if (key.use === "active") await seal(current, crypto.getRandomValues(new Uint8Array(32)));
        const done = key.use === "active" ? "Status, Encrypt and Decrypt" : "Status";
        findings.push({ what, ok: true, detail: `${done} through provider ${key.provider.name} are good` });
      } catch (error) {
        findings.push(finding(what, error));
      }
    }
  } catch (error) {
    findings.push(finding("live", error));
  } finally {
    await host.stop();
  }
  return findings;
}
