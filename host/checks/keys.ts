/** Keys used through their providers, each in its sandbox, beside a host that may serve. */
import type { Config, KeyConfig, ProviderConfig, SimpleKeyConfig } from "../config/config.ts";
import type { ConfiguredKey } from "../etcd/scan-findings.ts";
import type { StoredValue } from "../etcd/stored-value.ts";
import { type Finding, finding } from "../finding.ts";
import { checkStatusReply } from "../kms/check-reply.ts";
import type { Keyset, SimpleKey } from "../kms/keyset.ts";
import type { KeyVersions, UnusableVersions } from "../kms/provider.ts";
import { seal } from "../kms/seal.ts";
import { EventLog } from "../runtime/event-log.ts";
import { type Remark, Remarks } from "../runtime/guest-log.ts";
import { combineObservers } from "../runtime/observer.ts";
import { keysetOf, Providers } from "../runtime/providers.ts";
import { wasNotCreated } from "../runtime/provision.ts";
import { createLog } from "../telemetry/log.ts";
import { addComposed, composedKeyId, useComposed } from "./composed.ts";

/** Runs Status for every key, and Encrypt and Decrypt with the active one and its members. */
export async function useKeys(config: Config): Promise<Finding[]> {
  const use: UseKey = async (key, versions, keyset) => {
    const current = await keyset.addVersions(key, versions);
    if (key.use === "active") await seal(current, crypto.getRandomValues(new Uint8Array(32)));
    keyset.markGood(current);
    const done = key.use === "active" ? "Status, Encrypt and Decrypt" : statusOf(key);
    return `${done} through provider ${key.provider.name} succeeded; this is no conformance run (kleidi provider test)`;
  };
  return await probeKeys(config, "live", "live", use, async (keyset) => {
    const found = keyset.keys.map((key) =>
      key.members === undefined ? [] : useComposed(`live ${key.name}`, key, keyset),
    );
    return (await Promise.all(found)).flat();
  });
}

/** Runs Status for the keys of one provider, except those that are not created yet. @param subject of the findings, before the name of the key */
export async function listVersions(
  config: Config,
  provider: ProviderConfig,
  subject: string,
): Promise<Finding[]> {
  const keys = config.keys.filter(
    (key: KeyConfig): key is SimpleKeyConfig =>
      key.provider === provider.name && !wasNotCreated(config, provider, key),
  );
  if (keys.length === 0) return [];
  return await probeKeys(
    { ...config, providers: [provider], keys },
    subject,
    `${subject} key`,
    async (_key, versions) => {
      return `version ${versions.version}, ${versions.olderVersions.length} older versions`;
    },
  );
}

/**
 * Runs Status for every key, and derives the key_ids that the configuration can decrypt.
 * @param stored the values of which those of composed keys are looked up too
 * @returns the keys by key_id, and a finding for each key whose key_ids are unknown
 */
export async function configuredKeyIds(
  config: Config,
  stored: readonly StoredValue[],
): Promise<{ keys: ReadonlyMap<string, ConfiguredKey>; findings: Finding[] }> {
  const keys = new Map<string, ConfiguredKey>();
  let active: string | undefined;
  const use: UseKey = async (key, versions, keyset) => {
    const current = await keyset.addVersions(key, versions);
    keyset.markGood(current);
    for (const keyId of keyset.keyIds(key)) {
      const isActive = key.use === "active" && keyId === current.keyId;
      keys.set(keyId, { name: key.name, state: isActive ? "active" : "older", foreign: key.foreign });
    }
    return "its key_ids are known";
  };
  const probed = await probeKeys(config, "keys", "key", use, async (keyset) => {
    active = await composedKeyId(keyset);
    return [];
  });
  await addComposed(keys, config, stored, active);
  return { keys, findings: probed.filter(({ ok }) => !ok) };
}

/** No object of another plugin is at hand: its Decrypt is not tried. */
function statusOf({ foreign }: SimpleKey): string {
  return foreign === undefined ? "Status" : `Status for objects of ${foreign}`;
}

type UseKey = (key: SimpleKey, versions: KeyVersions, keyset: Keyset) => Promise<string>;

/**
 * @param subject of the finding where the providers cannot be run
 * @param keySubject of the findings about keys, before the name of the key
 * @param use continues after Status, and returns the detail of the finding
 * @param finish makes further findings, when all keys were used
 */
async function probeKeys(
  config: Config,
  subject: string,
  keySubject: string,
  use: UseKey,
  finish: (keyset: Keyset) => Promise<Finding[]> = async () => [],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    const log = createLog({ level: "error" });
    const remarks = new Remarks();
    const observer = combineObservers([new EventLog(log), remarks]);
    const providers = await Providers.open(config, log, { observer });
    try {
      await providers.start();
      const keyset = keysetOf(config, providers);
      for (const key of keyset.keys) {
        if (key.members !== undefined) continue;
        const about = `${keySubject} ${key.name}`;
        findings.push(...(await probeKey(about, key, keyset, use)), ...remarks.take().map(remarkOn(about)));
      }
      findings.push(...(await finish(keyset)));
    } finally {
      await providers.close();
    }
  } catch (error) {
    findings.push(finding(subject, error));
  }
  return findings;
}

/** A warning of the provider is not a fault: the key works as it was configured. */
const remarkOn =
  (subject: string) =>
  ({ level, line }: Remark): Finding => ({
    subject,
    ok: level === "warn",
    ...(level === "warn" ? { warning: true } : {}),
    detail: `${level === "warn" ? "warning" : "error"} of its provider: ${line}`,
  });

async function probeKey(subject: string, key: SimpleKey, keyset: Keyset, use: UseKey): Promise<Finding[]> {
  try {
    const versions = await key.provider.status(key.name);
    checkStatusReply(key.provider.name, versions);
    const found = { subject, ok: true, detail: await use(key, versions, keyset) };
    return [found, ...(versions.unusable ?? []).map(warningOf(subject))];
  } catch (error) {
    return [finding(subject, error)];
  }
}

/** The key works, but objects of these versions cannot be read. */
const warningOf =
  (subject: string) =>
  ({ reason, remedy }: UnusableVersions): Finding => ({
    subject,
    ok: true,
    warning: true,
    detail: reason,
    hint: `${remedy}.`,
  });
