/** The edits of the configuration in the life of a key. Each keeps everything else in the file. */
import { KleidiError } from "../error.ts";
import { type Style, YamlText } from "./yaml-text.ts";

/** The part of the file that the edits read. It is valid: the configuration was parsed before. */
interface Outline {
  readonly keys: readonly KeyEntry[];
  readonly providers: Readonly<Record<string, { readonly grants?: Grants }>>;
}
interface KeyEntry {
  readonly name: string;
  /** Absent: the key is composed. */
  readonly provider?: string;
  readonly anyOf?: readonly string[];
  readonly allOf?: readonly string[];
  readonly use: string;
  readonly version?: string;
  readonly settings?: Readonly<Record<string, string>>;
}
interface Grants {
  readonly keystore?: { readonly keys?: readonly string[]; readonly passphrases?: readonly string[] };
  readonly state?: { readonly names?: readonly string[] };
  readonly net?: { readonly allow?: readonly string[] };
}

/** The lists of names in a grant. */
const NAMES = [
  ["keystore", "keys"],
  ["keystore", "passphrases"],
  ["state", "names"],
] as const;

/**
 * Adds a key, decrypt-only, after the one that it succeeds, with the same provider, settings and grants.
 * @param version the pin of the new key
 * @throws KleidiError config-invalid, the edit must be made by hand
 */
export function stageKey(text: string, old: string, name: string, version?: string): string {
  const yaml = new YamlText(text);
  const { keys, providers } = yaml.value as Outline;
  const index = keys.findIndex((key) => key.name === old);
  const key = keys[index];
  if (key?.provider === undefined) throw new TypeError("the key to succeed is not in the file, or composed");
  yaml.insert(["keys"], index, [entryOf(key, name, version)]);
  const { grants } = providers[key.provider] ?? {};
  const at = ["providers", key.provider, "grants"];
  for (const [capability, list] of NAMES) {
    const item = namesIn(grants, capability, list).indexOf(old);
    if (item >= 0) yaml.insert([...at, capability, list], item, [(style) => scalarOf(style, name)]);
  }
  const allow = requestsOf(grants, remoteName(key));
  const last = allow.at(-1);
  if (last !== undefined) {
    const lines = allow.map(({ line }) => line.slice(0, -remoteName(key).length) + name);
    const items = lines.map((line) => (style: Style) => scalarOf(style, line));
    yaml.insert([...at, "net", "allow"], last.index, items);
  }
  return edited(yaml, "stage", name);
}

/** Makes a key active and the active one decrypt-only. @throws KleidiError config-invalid */
export function promoteKey(text: string, name: string): string {
  const yaml = new YamlText(text);
  const { keys } = yaml.value as Outline;
  for (const [index, key] of keys.entries()) {
    if (key.use === "active") yaml.replace(["keys", index, "use"], "decrypt");
    if (key.name === name) yaml.replace(["keys", index, "use"], "active");
  }
  return edited(yaml, "promote", name);
}

/** Removes a key with its grants, and its provider if that has no other key. @throws KleidiError config-invalid */
export function retireKey(text: string, name: string): string {
  const yaml = new YamlText(text);
  const { keys, providers } = yaml.value as Outline;
  const index = keys.findIndex((key) => key.name === name);
  const key = keys[index];
  if (key === undefined) throw new TypeError("the key to retire is not in the file");
  releaseMembers(yaml, keys, key);
  yaml.removeItems(["keys"], [index]);
  const { provider } = key;
  if (provider === undefined) return edited(yaml, "retire", name);
  const others = keys.filter((each) => each.provider === provider && each.name !== name);
  if (others.length === 0) yaml.removeKey(["providers"], provider);
  else removeGrants(yaml, key, provider, providers[provider]?.grants, others);
  return edited(yaml, "retire", name);
}

/** The members of a composed key that goes, and of no other one, only decrypt from then on. */
function releaseMembers(yaml: YamlText, keys: readonly KeyEntry[], composed: KeyEntry): void {
  const others = keys.filter((key) => key !== composed).flatMap(membersOf);
  for (const [index, { name }] of keys.entries())
    if (membersOf(composed).includes(name) && !others.includes(name))
      yaml.replace(["keys", index, "use"], "decrypt");
}

function membersOf({ anyOf, allOf }: KeyEntry): readonly string[] {
  return anyOf ?? allOf ?? [];
}

/** The text without `admin`: for a command that must not compare it with the running host. */
export function withoutAdmin(text: string): string {
  const yaml = new YamlText(text);
  if ((yaml.value as { admin?: unknown }).admin === undefined) return text;
  yaml.removeKey([], "admin");
  return yaml.result() ?? text;
}

function removeGrants(
  yaml: YamlText,
  key: KeyEntry,
  provider: string,
  grants: Grants | undefined,
  others: readonly KeyEntry[],
): void {
  const at = ["providers", provider, "grants"];
  for (const [capability, list] of NAMES) {
    const names = namesIn(grants, capability, list);
    const item = names.indexOf(key.name);
    if (item >= 0 && names.length > 1) yaml.removeItems([...at, capability, list], [item]);
  }
  // Another mount can have a key of the same name.
  const isShared = others.some((other) => remoteName(other) === remoteName(key));
  const allow = isShared ? [] : requestsOf(grants, remoteName(key));
  if (allow.length > 0 && allow.length < (grants?.net?.allow ?? []).length)
    yaml.removeItems(
      [...at, "net", "allow"],
      allow.map(({ index }) => index),
    );
}

/** The name of the key in its KMS (providers/vault/README.md). */
function remoteName({ name, settings }: KeyEntry): string {
  return settings?.key ?? name;
}

function namesIn(
  grants: Grants | undefined,
  capability: "keystore" | "state",
  list: string,
): readonly string[] {
  const names = (grants?.[capability] as Readonly<Record<string, unknown>> | undefined)?.[list];
  return Array.isArray(names) ? names : [];
}

/** The allowed requests whose path ends with a key's name. */
function requestsOf(grants: Grants | undefined, name: string): { index: number; line: string }[] {
  return (grants?.net?.allow ?? [])
    .map((line, index) => ({ index, line }))
    .filter(({ line }) => /^[A-Z]+ \S+$/.test(line) && line.endsWith(`/${name}`));
}

function entryOf({ provider, settings = {} }: KeyEntry, name: string, version: string | undefined) {
  // Without `key`, the name in the KMS is the key's own.
  const { key: _, ...rest } = settings;
  const value = {
    name,
    provider,
    use: "decrypt",
    ...(version === undefined ? {} : { version }),
    ...(Object.keys(rest).length === 0 ? {} : { settings: rest }),
  };
  return (style: Style) => ({ text: textOf(style, value), value });
}

function textOf(
  { isFlow, isQuoted, indent, newline }: Style,
  value: Readonly<Record<string, unknown>>,
): string {
  if (isQuoted) return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, each]) => `${key}: ${plain(each)}`);
  return isFlow ? `{ ${pairs.join(", ")} }` : pairs.join(newline + indent);
}

function plain(value: unknown): string {
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, each]) => `${key}: ${plain(each)}`)
      .join(", ")} }`;
  const text = String(value);
  // A version such as 1e5 would be a number.
  return /^[a-z][a-z0-9/-]*$/.test(text) && !/^(true|false|null)$/.test(text) ? text : JSON.stringify(text);
}

function scalarOf({ isQuoted }: Style, value: string): { text: string; value: string } {
  const isPlain = !isQuoted && /^[A-Za-z][A-Za-z0-9 /._-]*$/.test(value);
  return { text: isPlain ? value : JSON.stringify(value), value };
}

function edited(yaml: YamlText, action: string, name: string): string {
  const text = yaml.result();
  if (text !== undefined) return text;
  throw new KleidiError(
    "config-invalid/edit",
    `Cannot ${action} key "${name}": the lines of the configuration have a form that this command cannot edit`,
  );
}
