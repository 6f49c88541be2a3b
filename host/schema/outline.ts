/** What a capability's rules look at: the parts of a document that refer to each other, as far as they can be read. Nothing in them needs to be valid. */
import type { Places } from "./fault.ts";

export type Mapping = Readonly<Record<string, unknown>>;

/** A part is undefined where it cannot be read; a list is empty where it is not there. */
export interface Outline {
  readonly document: Places;
  /** Whether the document has this key at its top. */
  has(key: string): boolean;
  readonly providers: readonly ProviderOutline[] | undefined;
  readonly keys: readonly KeyOutline[] | undefined;
}

export interface ProviderOutline {
  readonly name: string;
  /** The valid name that is likely meant by an invalid one; else the name. */
  readonly meant: string;
  /** What stands under grants, by the name of the capability; what is not a mapping is absent. */
  readonly grants: Readonly<Record<string, Mapping>>;
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

/** Whether a value is a list of at most 64: schemas refuse a longer one, and rules compare each with each. */
export function isShort(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length <= 64;
}

/** A value that is a mapping; undefined for any other. */
export function mapping(value: unknown): Mapping | undefined {
  const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
  return isMapping ? (value as Mapping) : undefined;
}
