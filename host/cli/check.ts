/** kleidi check: checks the configuration, the modules, the grants and the keys; with --live it also uses them. */
import { Signer } from "../audit/checkpoint.ts";
import { loadKey } from "../audit/key-file.ts";
import type { Capability } from "../capabilities/capability.ts";
import { CAPABILITIES } from "../capabilities/registry.ts";
import type { Config, ProviderConfig } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { ERRORS } from "../error.ts";
import { type Finding, finding } from "../finding.ts";
import { checkStatusReply } from "../kms/check-reply.ts";
import { seal } from "../kms/seal.ts";
import { trustLine } from "../module/trust/trust.ts";
import { adminAddress } from "../runtime/admin-address.ts";
import { descriptorFindings } from "../runtime/descriptors.ts";
import { fetchStateReport } from "../runtime/fetch-state.ts";
import { grantsOf } from "../runtime/grants.ts";
import { admitProvider, keysetOf, Providers } from "../runtime/providers.ts";
import { reach, surplus } from "../runtime/reach.ts";
import { checkWall } from "../runtime/wall.ts";
import { createLog } from "../telemetry/log.ts";
import type { HostReport } from "../telemetry/report.ts";
import { report } from "./output.ts";

/** @param options.live also start the providers and use the keys @throws KleidiError config-invalid */
export async function checkCommand(
  configPath: string,
  options: { live: boolean; json: boolean },
): Promise<number> {
  return report(await checkAll(loadConfig(configPath), options), options.json);
}

/**
 * Runs all checks.
 * @param options.examined capabilities that the caller examines itself: an examination covers the same files in more detail
 */
export async function checkAll(
  config: Config,
  options: { live: boolean; examined?: ReadonlySet<Capability> },
): Promise<Finding[]> {
  const findings: Finding[] = [
    { subject: "configuration", ok: true, detail: `${config.file} is valid, ${config.keys.length} keys` },
    ...config.providers.flatMap((provider) => checkProvider(config, provider)),
    ...CAPABILITIES.filter((capability) => !options.examined?.has(capability)).flatMap(
      (capability) => capability.check?.(grantsOf(config, capability)) ?? [],
    ),
    checkAudit(config),
    await checkWall(config),
    ...descriptorFindings(config),
    ...(await checkRunning(config)),
  ];
  if (options.live && findings.every(({ ok }) => ok)) findings.push(...(await checkLive(config)));
  return findings;
}

/** Checks the module of a provider, its reach (requested and granted) and its surplus (granted and not requested). */
function checkProvider(config: Config, provider: ProviderConfig): Finding[] {
  const subject = `provider ${provider.name}`;
  try {
    const { manifest, sha256, trusted } = admitProvider(config, provider);
    const module = `${manifest.name} ${manifest.version}, sha256 ${sha256.slice(0, 16)}… as pinned, ${trustLine(trusted)}`;
    return [
      { subject, ok: true, detail: module },
      ...reach(provider, manifest),
      ...surplus(provider, manifest),
    ];
  } catch (error) {
    return [finding(subject, error)];
  }
}

/** Reports on the audit log, which is optional. Loads its key: a host without it does not start. */
function checkAudit({ audit }: Config): Finding {
  const subject = "audit";
  if (audit === undefined) {
    return {
      subject,
      ok: true,
      detail: "no audit log is configured: only the operational log records the actions of providers",
    };
  }
  const { file, stdout, checkpoints } = audit;
  const sinks = [...(file === undefined ? [] : [file]), ...(stdout ? ["stdout"] : [])].join(" and ");
  if (checkpoints === undefined) {
    return {
      subject,
      ok: true,
      detail: `written to ${sinks}, not signed: anyone who can write there can rewrite the whole log`,
    };
  }
  try {
    const { key: id } = new Signer(loadKey(checkpoints.key));
    return {
      subject,
      ok: true,
      detail: `written to ${sinks}, signed with key ${id} at least every ${checkpoints.intervalMs / 1000} s`,
    };
  } catch (error) {
    return finding(subject, error);
  }
}

/** Asks the host that runs with this configuration, if there is one, for the state of its providers. */
async function checkRunning({ admin }: Config): Promise<Finding[]> {
  if (admin === undefined) return [];
  const subject = "running host";
  const where = adminAddress(admin);
  let state: HostReport | undefined;
  try {
    state = await fetchStateReport(admin);
  } catch (error) {
    const detail = `the process at ${where} does not answer as a kleidi host: ${(error as Error).message}`;
    return [{ subject, ok: false, detail, hint: "Find out which process listens there." }];
  }
  if (state === undefined) return [{ subject, ok: true, detail: `no host answers at ${where}` }];
  const wall: Finding = { subject, ok: true, detail: `the wall in force is ${state.wall}` };
  const providers = Object.entries(state.providers).map(
    ([name, { state, quarantine, processes, ends }]): Finding => {
      const detail = `provider ${name} is ${state}, ${processes} of 2 processes, ${ends} unexpected exits`;
      if (quarantine === undefined) return { subject, ok: true, detail };
      const until =
        quarantine.until === undefined ? "the host is restarted" : new Date(quarantine.until).toISOString();
      return {
        subject,
        ok: false,
        detail: `provider ${name} is in quarantine until ${until}: ${quarantine.reason}`,
        hint: ERRORS["provider-quarantined"].hint,
      };
    },
  );
  return [wall, ...providers];
}

/** Runs Status for every key, and Encrypt and Decrypt with the active one, through the sandbox. */
async function checkLive(config: Config): Promise<Finding[]> {
  const providers = await Providers.open(config, createLog({ level: "error" }));
  const keyset = keysetOf(config, providers);
  const findings: Finding[] = [];
  try {
    await providers.start();
    for (const key of keyset.keys) {
      const subject = `live ${key.name}`;
      try {
        const versions = await key.provider.status(key.name);
        checkStatusReply(key.provider.name, versions);
        const current = await keyset.addVersions(key, versions);
        if (key.use === "active") await seal(current, crypto.getRandomValues(new Uint8Array(32)));
        const done = key.use === "active" ? "Status, Encrypt and Decrypt" : "Status";
        findings.push({
          subject,
          ok: true,
          detail: `${done} through provider ${key.provider.name} succeeded`,
        });
      } catch (error) {
        findings.push(finding(subject, error));
      }
    }
  } catch (error) {
    findings.push(finding("live", error));
  } finally {
    await providers.close();
  }
  return findings;
}
