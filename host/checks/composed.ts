/** The checks of composed keys. */
import type { ComposedKeyConfig, Config } from "../config/config.ts";
import type { ConfiguredKey } from "../etcd/scan-findings.ts";
import type { StoredValue } from "../etcd/stored-value.ts";
import { type Finding, finding } from "../finding.ts";
import { composedVersion } from "../kms/composed/header.ts";
import { objectOf, openComposed, readComposed } from "../kms/composed-open.ts";
import { sealComposed } from "../kms/composed-seal.ts";
import { deriveKeyId } from "../kms/key-id.ts";
import type { ComposedKey, Keyset, SimpleVersion } from "../kms/keyset.ts";

/** @returns a finding for each composed key; a warning if two members are of one provider */
export function checkComposition({ keys }: Config): Finding[] {
  return keys.flatMap((key) => (key.members === undefined ? [] : [compositionOf(key, keys)]));
}

function compositionOf({ name, mode, members }: ComposedKeyConfig, keys: Config["keys"]): Finding {
  const subject = `key ${name}`;
  const providers = members.map((member) => keys.find((key) => key.name === member)?.provider ?? "");
  const shared = providers.find((provider, i) => providers.indexOf(provider) < i);
  if (shared === undefined) return { subject, ok: true, detail: `${mode} of ${members.join(" and ")}` };
  const loss =
    mode === "anyOf"
      ? "if it is out of reach, so are both"
      : "whoever can decrypt with it has the shares of both";
  const detail = `${mode} of ${members.join(" and ")}, two of which are of provider ${shared}: ${loss}`;
  return { subject, ok: true, warning: true, detail, hint: "Take members of different providers." };
}

/**
 * Encrypts and decrypts with a composed key, if it is active. Its members were marked good or failed before.
 * @param subject of the finding
 */
export async function useComposed(subject: string, key: ComposedKey, keyset: Keyset): Promise<Finding> {
  const good = goodMembers(key, keyset);
  const missing = key.members.filter((member) => !good.some((each) => each.key === member));
  const names = missing.map(({ name }) => name).join(" and ");
  if (missing.length > 0 && (key.mode === "allOf" || good.length === 0))
    return { subject, ok: false, detail: `it cannot be used: ${names} failed`, hint: "Repair the member." };
  try {
    if (key.use === "active") await sealAndOpen(key, keyset, good);
  } catch (error) {
    return finding(subject, error);
  }
  const done = key.use === "active" ? "Encrypt and Decrypt" : "Status";
  const detail = `${done} through ${good.map((each) => each.key.name).join(" and ")} succeeded`;
  if (missing.length === 0) return { subject, ok: true, detail };
  const hint = `Repair ${names}: until then new objects cannot be read with it.`;
  return { subject, ok: true, warning: true, detail: `${detail}, without ${names}`, hint };
}

function goodMembers({ members }: ComposedKey, keyset: Keyset): SimpleVersion[] {
  return members.flatMap((member) => {
    const { current, failure } = keyset.stateOf(member);
    return current === undefined || failure !== undefined ? [] : [current];
  });
}

/** @returns the key_id with which the active key would encrypt now; undefined if it is not composed, or no member is good */
export async function composedKeyId(keyset: Keyset): Promise<string | undefined> {
  const { key } = keyset.active;
  if (key.members === undefined) return undefined;
  const good = goodMembers(key, keyset);
  return good.length === 0 ? undefined : (await keyset.compose(key, good)).keyId;
}

/**
 * Adds the key_ids of stored objects that a composed key can decrypt: anyOf with one wrap of a known key, allOf with all of them.
 * @param keys by key_id: the keys of providers
 * @param active the key_id of the active key, if that is composed
 */
export async function addComposed(
  keys: Map<string, ConfiguredKey>,
  config: Config,
  stored: readonly StoredValue[],
  active: string | undefined,
): Promise<void> {
  const simple = new Set(keys.keys());
  for (const value of stored) {
    if (value.kind !== "kms-v2" || value.composed === undefined) continue;
    const { mode, keyIds } = value.composed;
    const known = keyIds.filter((keyId) => simple.has(keyId)).length;
    if (known < (mode === "anyOf" ? 1 : keyIds.length)) continue;
    const version = await composedVersion(value.composed);
    for (const { name, members } of config.keys)
      if (members !== undefined && (await deriveKeyId(name, version)) === value.keyId)
        keys.set(value.keyId, { name, state: value.keyId === active ? "active" : "older" });
  }
}

/** @throws KleidiError of a member, or of the host's own seal */
async function sealAndOpen(key: ComposedKey, keyset: Keyset, good: readonly SimpleVersion[]): Promise<void> {
  const target = await keyset.compose(key, good);
  const perform = <T>(_: unknown, work: () => Promise<T>) => work();
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const { ciphertext, annotations } = await sealComposed(target, seed, perform);
  const object = objectOf(key, target.keyId, readComposed(ciphertext), annotations);
  await openComposed(object, {
    perform,
    route: (keyId) => keyset.decryptWith(keyId),
    rank: () => 0,
    patienceMs: () => 1000,
  });
}
