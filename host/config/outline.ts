/** The input of the rules: the parts of a document that refer to each other. */
import { normalizeName, PROVIDER_NAME } from "../schema/field.ts";
import {
  isShort,
  type KeyOutline,
  type Mapping,
  mapping,
  type Outline,
  type ProviderOutline,
} from "../schema/outline.ts";
import type { Document } from "./document.ts";

/** A part is undefined if it cannot be read; a list is empty if the document has none. */
export interface ConfigOutline extends Outline {
  /** The folder of the file, absolute. Relative paths are resolved against it. */
  readonly folder: string;
  readonly socket: string | undefined;
  readonly trust: TrustOutline | undefined;
  readonly audit: AuditOutline | undefined;
  readonly admin: AdminOutline | undefined;
  readonly providers: readonly ConfiguredOutline[] | undefined;
}

/** The keys that `audit` has. */
export interface AuditOutline {
  readonly file: boolean;
  /** True for any value but false. */
  readonly stdout: boolean;
  readonly rotate: boolean;
}

/** The parts of `admin`. */
export interface AdminOutline {
  /** The value of `listen`, as written. */
  readonly listen: unknown;
  /** True if the key exists. */
  readonly mode: boolean;
  /** True if the key exists. */
  readonly group: boolean;
}

export interface ConfiguredOutline extends ProviderOutline {
  /** True if it has the key `signatures`. */
  readonly signed: boolean;
  /** The value of `limits`, as written; an empty mapping if it is absent. */
  readonly limits: unknown;
}

export interface TrustOutline {
  readonly threshold: unknown;
  readonly keys: readonly { readonly name: unknown; readonly key: unknown }[];
  /** The keys that each revocation has. */
  readonly revoked: readonly { readonly sha256: boolean; readonly key: boolean }[];
}

/**
 * Reports whether the provider of a key can be determined: every provider has a valid name, or one that resembles a valid
 * name.
 */
export function haveValidNames(providers: readonly ProviderOutline[]): boolean {
  return providers.every(({ meant }) => PROVIDER_NAME.test(meant));
}

/**
 * Reads the outline of a document. Nothing in it needs to be valid.
 * @param folder the folder of the file, absolute
 */
export function outlineOf(document: Document, folder: string): ConfigOutline {
  const root = mapping(document.value);
  const socket = mapping(root?.listen)?.socket;
  const providers = mapping(root?.providers);
  const keys = root?.keys;
  return {
    document,
    folder,
    socket: typeof socket === "string" && socket !== "" ? socket : undefined,
    has: (key) => root !== undefined && Object.hasOwn(root, key),
    trust: root !== undefined && Object.hasOwn(root, "trust") ? trustOutline(root.trust) : undefined,
    audit: auditOutline(root?.audit),
    admin: adminOutline(mapping(root?.admin)),
    providers: providers && Object.entries(providers).map(([name, value]) => providerOutline(name, value)),
    keys: isShort(keys) ? keys.map(keyOutline) : undefined,
  };
}

function adminOutline(admin: Mapping | undefined): AdminOutline | undefined {
  if (admin === undefined) return undefined;
  return { listen: admin.listen, mode: Object.hasOwn(admin, "mode"), group: Object.hasOwn(admin, "group") };
}

function providerOutline(name: string, value: unknown): ConfiguredOutline {
  const grants = Object.entries(mapping(mapping(value)?.grants) ?? {}).flatMap(([capability, grant]) => {
    const keys = mapping(grant);
    return keys === undefined ? [] : [[capability, keys] as const];
  });
  const meant = PROVIDER_NAME.test(normalizeName(name)) ? normalizeName(name) : name;
  const signed = Object.hasOwn(mapping(value) ?? {}, "signatures");
  const limits = mapping(value)?.limits ?? {};
  return { name, meant, grants: Object.fromEntries(grants), signed, limits };
}

function trustOutline(value: unknown): TrustOutline {
  const { threshold, keys, revoked } = mapping(value) ?? {};
  return {
    threshold,
    keys: (isShort(keys) ? keys : []).map((key) => {
      const { name, key: line } = mapping(key) ?? {};
      return { name, key: line };
    }),
    // the schema reports items that are not mappings
    revoked: (Array.isArray(revoked) ? revoked : []).map((item: unknown) => {
      const revocation = mapping(item) ?? { sha256: undefined };
      return { sha256: Object.hasOwn(revocation, "sha256"), key: Object.hasOwn(revocation, "key") };
    }),
  };
}

/** @returns undefined for a value that is not a mapping; the schema reports it */
function auditOutline(value: unknown): AuditOutline | undefined {
  const audit = mapping(value);
  if (audit === undefined) return undefined;
  const has = (key: string) => Object.hasOwn(audit, key);
  return { file: has("file"), stdout: has("stdout") && audit.stdout !== false, rotate: has("rotate") };
}

function keyOutline(value: unknown): KeyOutline {
  const key = mapping(value) ?? {};
  const { name, provider, use, foreign, anyOf, allOf } = key;
  return { name, provider, use, foreign, anyOf, allOf, has: new Set(Object.keys(key)) };
}
