/** The input of a capability's rules: the parts of a document that refer to each other. Nothing in them needs to be valid. */
import type { FaultLocator } from "./fault.ts";

export type Mapping = Readonly<Record<string, unknown>>;

/** A part is undefined if it cannot be read; a list is empty if the document has none. */
export interface Outline {
  readonly document: FaultLocator;
  /** @returns true if the document has this key at its top level */
  has(key: string): boolean;
  readonly providers: readonly ProviderOutline[] | undefined;
  readonly keys: readonly KeyOutline[] | undefined;
}

export interface ProviderOutline {
  readonly name: string;
  /** The valid name that an invalid one probably means; otherwise the name itself. */
  readonly meant: string;
  /** Capability → its grant. A grant that is not a mapping is absent. */
  readonly grants: Readonly<Record<string, Mapping>>;
}

export interface KeyOutline {
  readonly name: unknown;
  readonly provider: unknown;
  readonly use: unknown;
  readonly foreign: unknown;
  /** The keys that the mapping has. */
  readonly has: ReadonlySet<string>;
  /** The lists of a composed key, as written. */
  readonly anyOf: unknown;
  readonly allOf: unknown;
}

/**
 * Reports whether a key refers to a provider.
 * @param reference the `provider` of a key, as written
 */
export function isCalled({ name, meant }: ProviderOutline, reference: unknown): boolean {
  return reference === name || reference === meant;
}

/** Reports whether a value is a list of at most 64 items. Schemas refuse longer lists, and rules compare every pair of items. */
export function isShort(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= 64;
}

export function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @returns the value if it is a mapping; otherwise undefined */
export function mapping(value: unknown): Mapping | undefined {
  return isMapping(value) ? value : undefined;
}
