/** What a schema is built of: a zod schema and, attached to it, what faults and the reference say of the key. */
import { resolve } from "node:path";
import { z } from "zod";
import { nearest } from "./text.ts";
import type { Quantity } from "./units.ts";

/** What is said of one key of the file. */
export interface Field {
  /** What may stand there, as a noun phrase: it follows "expected" in a fault. */
  readonly expected: string;
  /** One sentence for the reference. */
  readonly meaning: string;
  /** What to write, on one line of YAML after the key. */
  readonly example: string;
  /** What holds when an optional key without a default is left out. */
  readonly absent?: string;
  /** A value that is likely meant by what was found. It need not be valid: only valid ones are shown. */
  readonly suggest?: (source: string) => unknown;
}

/** Schema → what is said of it. */
export const FIELDS = new WeakMap<z.core.$ZodType, Field>();

/** What to write under a schema that has a field. */
export function exampleOf(schema: z.core.$ZodType): string {
  return FIELDS.get(schema)?.example ?? "{}";
}

/** Attaches what is said of it to a schema. */
export function field<T extends z.core.$ZodType>(schema: T, says: Field): T {
  // a schema that stands in two places would say of one what is meant of the other
  if (FIELDS.has(schema)) throw new Error(`a second field for a schema: ${says.meaning}`);
  FIELDS.set(schema, says);
  return schema;
}

/** Schema of a path → what stands before the path. */
const PREFIXES = new WeakMap<z.core.$ZodType, string>();

// a NUL byte would end the path early in the system call
const PATH = /^[^\0]{1,4095}$/;

/** A path. It is absolute in what the schema gives: shape.ts resolves it before it is checked. */
export const path = () => pathAfter("", z.string().regex(PATH));

/** Text that is a path after this prefix. */
export function pathAfter<T extends z.core.$ZodType>(prefix: string, schema: T): T {
  PREFIXES.set(schema, prefix);
  return schema;
}

/** Whether a schema is one that `path` made. */
export const isPath = (schema: z.core.$ZodType) => PREFIXES.get(schema) === "";

/** The text of a schema with the path in it resolved against a folder; unchanged where there is none. */
export function absolute(schema: z.core.$ZodType, text: string, folder: string): string {
  const prefix = PREFIXES.get(schema);
  if (prefix === undefined || !text.startsWith(prefix)) return text;
  const written = text.slice(prefix.length);
  return PATH.test(written) ? `${prefix}${resolve(folder, written)}` : text;
}

/** A quantity with a unit, as a number in its base unit. */
export function quantity(of: Quantity, byDefault: string, says: Field) {
  return field(parsed(of).prefault(byDefault), { ...says, suggest: of.suggest });
}

/** The same without a default: `says.absent` tells what holds when it is left out. */
export function optionalQuantity(of: Quantity, says: Field) {
  return field(parsed(of).exactOptional(), { ...says, suggest: of.suggest });
}

function parsed(of: Quantity) {
  return z.string().transform((text, context) => {
    const value = of.parse(text);
    if (value !== undefined) return value;
    context.issues.push({ code: "custom", input: text });
    return z.NEVER;
  });
}

/** A whole number with bounds. */
export function count(min: number, max: number, byDefault: number, meaning: string) {
  return field(z.int().min(min).max(max).prefault(byDefault), {
    expected: `a whole number from ${min} to ${max}`,
    meaning,
    example: String(byDefault),
    suggest: (source) => Math.min(max, Math.max(min, Math.round(Number(source)))),
  });
}

/** For a key that takes one of a few words: the one that was likely meant. */
export const nearestOf = (words: readonly string[]) => (source: string) => nearest(source, words);

/** How a key is named. */
export const KEY_NAME = 'a name of a-z, 0-9, "." and "-", at most 63 characters, the first a letter or digit';
export const keyName = () => z.string().regex(/^[a-z0-9][a-z0-9.-]{0,62}$/);
/** A name that is likely meant by one in the wrong case, or with the wrong separators. */
export const lower = (source: string) => source.toLowerCase().replaceAll(/[ _]/g, "-");

/** The name of a provider. Names become parts of log lines and metric labels. */
export const PROVIDER_NAME = /^[a-z][a-z0-9-]{0,62}$/;
