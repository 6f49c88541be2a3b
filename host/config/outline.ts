/** What the rules look at: the parts of a document that refer to each other, as far as they can be read. */

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

/** A part is undefined where it cannot be read; a list is empty where it is not there. */
export interface ConfigOutline extends Outline {
  /** Absolute. */
  readonly folder: string;
  readonly socket: string | undefined;
  readonly trust: TrustOutline | undefined;
  readonly audit: AuditOutline | undefined;
  readonly admin: AdminOutline | undefined;
  readonly providers: readonly ConfiguredOutline[] | undefined;
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

export interface ConfiguredOutline extends ProviderOutline {
  /** Whether it has the key signatures. */
  readonly signed: boolean;
  /** What stands under limits; absent: an empty mapping. */
  readonly limits: unknown;
}

export interface TrustOutline {
  readonly threshold: unknown;
  readonly keys: readonly { readonly name: unknown; readonly key: unknown }[];
  /** Whether each has the key sha256, and the key key. */
  readonly revoked: readonly { readonly sha256: boolean; readonly key: boolean }[];
}

/** Whether it can be told which provider a key means: not while one has a name that nothing valid resembles. */
export function areNamed(providers: readonly ProviderOutline[]): boolean {
  return providers.every(({ meant }) => PROVIDER_NAME.test(meant));
}

/** Reads the outline. Nothing in the document needs to be valid. */
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
