/** The building blocks of a schema: zod schemas with a `Field` attached, from which faults and the reference are made. */
import { resolve } from "node:path";
import * as z from "zod";
import { nearest } from "./text.ts";
import type { Quantity } from "./units.ts";

/** The texts of one key of the file. */
export interface Field {
  /** The accepted values, as a noun phrase: it follows "expected" in a fault. */
  readonly expected: string;
  /** The meaning of the key, one sentence for the reference. */
  readonly meaning: string;
  /** An example of the value, on one line of YAML after the key. */
  readonly example: string;
  /** The behaviour if an optional key without a default is left out. */
  readonly absent?: string;
  /** Returns the value that the author of `source` probably meant. It need not be valid: faults show only valid suggestions. */
  readonly suggest?: (source: string) => unknown;
  /** Keywords of JSON Schema (draft 7) for conditions that the zod schema checks in code. */
  readonly keywords?: Readonly<Record<string, unknown>>;
}

/** Schema → its field. */
export const FIELDS = new WeakMap<z.core.$ZodType, Field>();

/** @returns an example of the value of a schema, on one line of YAML; `{}` for a schema without a field */
export function exampleOf(schema: z.core.$ZodType): string {
  return FIELDS.get(schema)?.example ?? "{}";
}

/**
 * Attaches a field to a schema.
 * @param schema a zod schema that has no field yet
 * @param texts used by faults and by the reference
 * @returns the same schema
 * @example field(z.enum(["active", "decrypt"]), { expected: "active or decrypt", meaning: "…", example: "active" })
 */
export function field<T extends z.core.$ZodType>(schema: T, texts: Field): T {
  // a schema used in two places would show the texts of one place for the other
  if (FIELDS.has(schema)) throw new Error(`a second field for a schema: ${texts.meaning}`);
  FIELDS.set(schema, texts);
  return schema;
}

/** Schema of a path → the prefix of its text before the path. */
const PREFIXES = new WeakMap<z.core.$ZodType, string>();

/** In UTF-16 units. */
export const MAX_PATH = 4095;
// a NUL byte would end the path early in the system call
const PATH = /^[^\0]{1,4095}$/;

/** The schema of a path. Its output is absolute: shape.ts resolves paths before they are checked. */
export const path = () => pathAfter("", z.string().regex(PATH));

/** Marks a schema of text as a path after a prefix, so that the path is resolved. */
export function pathAfter<T extends z.core.$ZodType>(prefix: string, schema: T): T {
  PREFIXES.set(schema, prefix);
  return schema;
}

/** @returns true for a schema that `path` made */
export const isPath = (schema: z.core.$ZodType) => PREFIXES.get(schema) === "";

/**
 * Resolves the path in a text.
 * @param schema the schema of the text
 * @param folder absolute
 * @returns the text with its path resolved against the folder; unchanged if its schema has no path
 */
export function resolvePath(schema: z.core.$ZodType, text: string, folder: string): string {
  const prefix = PREFIXES.get(schema);
  if (prefix === undefined || !text.startsWith(prefix)) return text;
  const written = text.slice(prefix.length);
  return PATH.test(written) ? `${prefix}${resolve(folder, written)}` : text;
}

/**
 * The schema of a quantity with a unit. Its output is a number in the base unit.
 * @param byDefault the default, as written in the file
 */
export function quantity(of: Quantity, byDefault: string, texts: Field) {
  return field(parsed(of).prefault(byDefault), { ...texts, suggest: of.suggest });
}

/** The schema of a quantity without a default: `texts.absent` is the behaviour if the key is left out. */
export function optionalQuantity(of: Quantity, texts: Field) {
  return field(parsed(of).exactOptional(), { ...texts, suggest: of.suggest });
}

function parsed(of: Quantity) {
  return z
    .string()
    .regex(of.pattern)
    .transform((text, context) => {
      const value = of.parse(text);
      if (value !== undefined) return value;
      context.issues.push({ code: "custom", input: text });
      return z.NEVER;
    });
}

/** The schema of a whole number from `min` to `max`, both included. */
export function count(min: number, max: number, byDefault: number, meaning: string) {
  return field(z.int().min(min).max(max).prefault(byDefault), {
    expected: `a whole number from ${min} to ${max}`,
    meaning,
    example: String(byDefault),
    suggest: (source) => Math.min(max, Math.max(min, Math.round(Number(source)))),
  });
}

/** Makes the `suggest` of a key that takes one of a few words: the word that was probably meant. */
export const nearestOf = (words: readonly string[]) => (source: string) => nearest(source, words);

/** The expectation of a key name. */
export const KEY_NAME = 'a name of a-z, 0-9, "." and "-", at most 63 characters, the first a letter or digit';
export const keyName = () => z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/);
/** Returns a name in lower case, with hyphens instead of spaces and underscores. */
export const normalizeName = (source: string) => source.toLowerCase().replaceAll(/[ _]/g, "-");

/** The form of a provider name. Names are used in log lines and as metric labels. */
export const PROVIDER_NAME = /^[a-z][a-z0-9-]{0,62}$/;
