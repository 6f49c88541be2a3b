/** What the rules look at: the parts of a document that refer to each other, as far as they can be read. */
import type { Document } from "./document.ts";
import { lower } from "./field.ts";
import { PROVIDER_NAME } from "./provider-schema.ts";
import type { Path } from "./text.ts";

/** A part is undefined where it cannot be read; a list is empty where it is not there. */
export interface Outline {
  readonly document: Document;
  /** Absolute. */
  readonly folder: string;
  readonly socket: string | undefined;
  readonly keystore: boolean;
  readonly trust: TrustOutline | undefined;
  readonly state: boolean;
  readonly audit: AuditOutline | undefined;
  readonly admin: AdminOutline | undefined;
  readonly providers: readonly ProviderOutline[] | undefined;
  readonly keys: readonly KeyOutline[] | undefined;
}

/** Whether it has the key file, the key stdout with anything but false, and the key rotate. */
export interface AuditOutline {
  readonly file: boolean;
  readonly stdout: boolean;
  readonly rotate: boolean;
}

/** What stands under listen; whether it has the keys mode and group. */
export interface AdminOutline {
  readonly listen: unknown;
  readonly mode: boolean;
  readonly group: boolean;
}

export interface ProviderOutline {
  readonly name: string;
  /** The valid name that is likely meant by an invalid one; else the name. */
  readonly meant: string;
  /** What stands under grants.keystore.keys and grants.keystore.passphrases, in this order. */
  readonly granted: readonly GrantedOutline[];
  /** What stands under grants.state.names. */
  readonly records: readonly unknown[];
  /** Whether it has the key signatures. */
  readonly signed: boolean;
  /** What stands under grants.net. */
  readonly net: NetOutline | undefined;
  /** What stands under limits; absent: an empty mapping. */
  readonly limits: unknown;
}

export interface NetOutline {
  readonly origin: unknown;
  /** Whether it has the key tls, and in it the key certificate. */
  readonly tls: boolean;
  readonly certificate: boolean;
  readonly headers: readonly unknown[];
  readonly allow: readonly unknown[];
  /** Of credential.login. */
  readonly loginPath: unknown;
  /** Of credential.vault. */
  readonly auth: unknown;
  readonly namespace: unknown;
  /** What stands as header in any credential. */
  readonly credentialHeaders: readonly unknown[];
}

export interface TrustOutline {
  readonly threshold: unknown;
  readonly keys: readonly { readonly name: unknown; readonly key: unknown }[];
  /** Whether each has the key sha256, and the key key. */
  readonly revoked: readonly { readonly sha256: boolean; readonly key: boolean }[];
}

export interface GrantedOutline {
  readonly name: unknown;
  readonly path: Path;
}

export interface KeyOutline {
  readonly name: unknown;
  readonly provider: unknown;
  readonly use: unknown;
}

/** Whether a key that says this of its provider says this one. */
export function isCalled({ name, meant }: ProviderOutline, said: unknown): boolean {
  return said === name || said === meant;
}

/** Whether it can be told which provider a key means: not while one has a name that nothing valid resembles. */
export function areNamed(providers: readonly ProviderOutline[]): boolean {
  return providers.every(({ meant }) => PROVIDER_NAME.test(meant));
}

/** Reads the outline. Nothing in the document needs to be valid. */
export function outlineOf(document: Document, folder: string): Outline {
  const root = mapping(document.value);
  const socket = mapping(root?.listen)?.socket;
  const providers = mapping(root?.providers);
  const keys = root?.keys;
  return {
    document,
    folder,
    socket: typeof socket === "string" && socket !== "" ? socket : undefined,
    keystore: root !== undefined && Object.hasOwn(root, "keystore"),
    trust: root !== undefined && Object.hasOwn(root, "trust") ? trustOutline(root.trust) : undefined,
    state: root !== undefined && Object.hasOwn(root, "state"),
    audit: auditOutline(root?.audit),
    admin: adminOutline(mapping(root?.admin)),
    providers: providers && Object.entries(providers).map(([name, value]) => providerOutline(name, value)),
    keys: isShort(keys) ? keys.map(keyOutline) : undefined,
  };
}

function adminOutline(admin: Readonly<Record<string, unknown>> | undefined): AdminOutline | undefined {
  if (admin === undefined) return undefined;
  return { listen: admin.listen, mode: Object.hasOwn(admin, "mode"), group: Object.hasOwn(admin, "group") };
}

function providerOutline(name: string, value: unknown): ProviderOutline {
  const grants = mapping(mapping(value)?.grants);
  const records = mapping(grants?.state)?.names;
  const granted = ["keys", "passphrases"].flatMap((use) => {
    const names = mapping(grants?.keystore)?.[use];
    const path = ["providers", name, "grants", "keystore", use];
    return isShort(names) ? names.map((name, i): GrantedOutline => ({ name, path: [...path, i] })) : [];
  });
  const meant = PROVIDER_NAME.test(lower(name)) ? lower(name) : name;
  const signed = Object.hasOwn(mapping(value) ?? {}, "signatures");
  const net = netOutline(mapping(grants?.net));
  const limits = mapping(value)?.limits ?? {};
  return { name, meant, granted, records: isShort(records) ? records : [], signed, net, limits };
}

function netOutline(net: Readonly<Record<string, unknown>> | undefined): NetOutline | undefined {
  if (net === undefined) return undefined;
  const { origin, headers, allow } = net;
  const credential = mapping(net.credential);
  return {
    origin,
    tls: Object.hasOwn(net, "tls"),
    certificate: Object.hasOwn(mapping(net.tls) ?? {}, "certificate"),
    headers: isShort(headers) ? headers : [],
    allow: isShort(allow) ? allow : [],
    loginPath: mapping(credential?.login)?.path,
    auth: mapping(credential?.vault)?.auth,
    namespace: mapping(credential?.vault)?.namespace,
    credentialHeaders: [mapping(credential?.file)?.header, mapping(credential?.login)?.header],
  };
}

function trustOutline(value: unknown): TrustOutline {
  const { threshold, keys, revoked } = mapping(value) ?? {};
  return {
    threshold,
    keys: (isShort(keys) ? keys : []).map((key) => {
      const { name, key: line } = mapping(key) ?? {};
      return { name, key: line };
    }),
    // what is no mapping is left to the schema
    revoked: (Array.isArray(revoked) ? revoked : []).map((item: unknown) => {
      const known = mapping(item) ?? { sha256: undefined };
      return { sha256: Object.hasOwn(known, "sha256"), key: Object.hasOwn(known, "key") };
    }),
  };
}

/** What is no mapping is left to the schema. */
function auditOutline(value: unknown): AuditOutline | undefined {
  const audit = mapping(value);
  if (audit === undefined) return undefined;
  const has = (key: string) => Object.hasOwn(audit, key);
  return { file: has("file"), stdout: has("stdout") && audit.stdout !== false, rotate: has("rotate") };
}

function keyOutline(value: unknown): KeyOutline {
  const { name, provider, use } = mapping(value) ?? {};
  return { name, provider, use };
}

/** The schema refuses a longer list, and the rules compare each with each. */
function isShort(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= 64;
}

function mapping(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
  return isMapping ? (value as Record<string, unknown>) : undefined;
}
