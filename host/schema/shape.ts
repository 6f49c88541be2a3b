/** Navigates a schema in the way that a document is navigated: by path, and down through all keys. */
import * as z from "zod";
import { FIELDS, type Field, isPath, resolvePath } from "./field.ts";
import type { Path } from "./text.ts";

type Schema = z.core.$ZodType;

/** Returns the schema of the written value: without defaults, optionality and transforms. */
function unwrap(schema: Schema): Schema {
  if (schema instanceof z.ZodPipe) return unwrap(schema.def.in);
  return schema instanceof z.ZodExactOptional || schema instanceof z.ZodPrefault
    ? unwrap(schema.def.innerType)
    : schema;
}

/** @returns key → schema of a mapping with fixed keys; empty for any other schema */
export function keysOf(schema: Schema): Readonly<Record<string, Schema>> {
  const inner = unwrap(schema);
  return inner instanceof z.ZodObject ? inner.shape : {};
}

/** @returns the schema of the values of a mapping with free names; undefined for any other schema */
export function entryOf(schema: Schema): Schema | undefined {
  const inner = unwrap(schema);
  return inner instanceof z.ZodRecord ? inner.valueType : undefined;
}

/** @returns the schema of the items of a list; undefined for any other schema */
export function itemOf(schema: Schema): Schema | undefined {
  const inner = unwrap(schema);
  return inner instanceof z.ZodArray ? inner.element : undefined;
}

/** @returns the schema at a path; undefined if the schema has no such path */
export function schemaAt(root: Schema, path: Path): Schema | undefined {
  let schema: Schema | undefined = root;
  for (const step of path) {
    if (schema === undefined) return undefined;
    schema = typeof step === "number" ? itemOf(schema) : childOf(schema, step);
  }
  return schema;
}

function childOf(schema: Schema, name: string): Schema | undefined {
  const keys = keysOf(schema);
  return Object.hasOwn(keys, name) ? keys[name] : entryOf(schema);
}

/**
 * @returns the field of a schema
 * @throws Error for a schema that `field` was not called with: a fault of the program
 */
export function fieldOf(schema: Schema): Field {
  const texts = FIELDS.get(schema);
  if (texts === undefined) throw new Error("a schema without a field");
  return texts;
}

/** @returns the default of a key, as written in the file; undefined for mappings and for keys without a default */
export function defaultOf(schema: Schema): string | number | undefined {
  const value: unknown = schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined;
  return typeof value === "string" || typeof value === "number" ? value : undefined;
}

/** @returns true if the key may be left out */
export function isOptional(schema: Schema): boolean {
  return schema instanceof z.ZodExactOptional || schema instanceof z.ZodPrefault;
}

/**
 * Prepares a document for its schema: resolves every path against a folder and drops optional keys without a value.
 * @param value the plain value of the document
 * @param folder absolute
 * @param schema undefined for a key that the schema does not know: its value is returned unchanged
 */
export function resolvePaths(value: unknown, folder: string, schema: Schema | undefined): unknown {
  if (schema === undefined) return value;
  if (typeof value === "string") return resolvePath(unwrap(schema), value, folder);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const item = itemOf(schema);
    return item === undefined ? value : value.map((each) => resolvePaths(each, folder, item));
  }
  const entries = Object.entries(value).flatMap(([name, each]) => {
    const schemaOfKey = childOf(schema, name);
    if (schemaOfKey === undefined) return [[name, each]];
    return each === undefined && isOptional(schemaOfKey)
      ? []
      : [[name, resolvePaths(each, folder, schemaOfKey)]];
  });
  return Object.fromEntries(entries);
}

/** @returns every key whose value is a path, for example "providers.<name>.signatures[]" */
export function pathKeys(schema: Schema, at = ""): string[] {
  if (isPath(unwrap(schema))) return [at];
  const below: readonly [string, Schema | undefined][] = [
    ...Object.entries(keysOf(schema)).map(([key, each]): [string, Schema] => [
      at === "" ? key : `${at}.${key}`,
      each,
    ]),
    [`${at}.<name>`, entryOf(schema)],
    [`${at}[]`, itemOf(schema)],
  ];
  return below.flatMap(([path, each]) => (each === undefined ? [] : pathKeys(each, path)));
}
