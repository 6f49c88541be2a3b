/** Walks a schema as a document is walked: from a path to the schema that stands there, and down through all keys. */
import { z } from "zod";
import { absolute, FIELDS, type Field, isPath } from "./field.ts";
import type { Path } from "./text.ts";

type Schema = z.core.$ZodType;

/** A schema of what is written: without what holds when the key is left out, and without what is made of the value. */
function unwrapped(schema: Schema): Schema {
  if (schema instanceof z.ZodPipe) return unwrapped(schema.def.in);
  return schema instanceof z.ZodExactOptional || schema instanceof z.ZodPrefault
    ? unwrapped(schema.def.innerType)
    : schema;
}

/** The keys of a mapping with fixed keys; empty for anything else. */
export function keysOf(schema: Schema): Readonly<Record<string, Schema>> {
  const inner = unwrapped(schema);
  return inner instanceof z.ZodObject ? inner.shape : {};
}

/** What stands under every name of a mapping with free names. */
export function entryOf(schema: Schema): Schema | undefined {
  const inner = unwrapped(schema);
  return inner instanceof z.ZodRecord ? inner.valueType : undefined;
}

/** What stands at every place of a list. */
export function itemOf(schema: Schema): Schema | undefined {
  const inner = unwrapped(schema);
  return inner instanceof z.ZodArray ? inner.element : undefined;
}

/** The schema at a path; undefined where the schema has no such place. */
export function schemaAt(root: Schema, path: Path): Schema | undefined {
  let schema: Schema | undefined = root;
  for (const step of path) {
    if (schema === undefined) return undefined;
    schema = typeof step === "number" ? itemOf(schema) : under(schema, step);
  }
  return schema;
}

function under(schema: Schema, name: string): Schema | undefined {
  const keys = keysOf(schema);
  return Object.hasOwn(keys, name) ? keys[name] : entryOf(schema);
}

/** What is said of a schema. Every schema that a path leads to has been given it by `field`. */
export function fieldOf(schema: Schema): Field {
  const says = FIELDS.get(schema);
  if (says === undefined) throw new Error("a schema without a field");
  return says;
}

/** The value, as it would be written, that holds when a key is left out; undefined for mappings, and when there is none. */
export function defaultOf(schema: Schema): string | number | undefined {
  const value: unknown = schema instanceof z.ZodPrefault ? schema.def.defaultValue : undefined;
  return typeof value === "string" || typeof value === "number" ? value : undefined;
}

/** Whether the key may be left out. */
export function isOptional(schema: Schema): boolean {
  return schema instanceof z.ZodExactOptional || schema instanceof z.ZodPrefault;
}

/**
 * A document's value as the schema takes it: with every path resolved against a folder, and without the optional keys
 * that stand there with nothing.
 */
export function resolved(value: unknown, folder: string, schema: Schema | undefined): unknown {
  if (schema === undefined) return value;
  if (typeof value === "string") return absolute(unwrapped(schema), value, folder);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const item = itemOf(schema);
    return item === undefined ? value : value.map((each) => resolved(each, folder, item));
  }
  const entries = Object.entries(value).flatMap(([name, each]) => {
    const schemaOfKey = under(schema, name);
    if (schemaOfKey === undefined) return [[name, each]];
    return each === undefined && isOptional(schemaOfKey) ? [] : [[name, resolved(each, folder, schemaOfKey)]];
  });
  return Object.fromEntries(entries);
}

/** Every key whose value is a path, as "providers.<name>.signatures[]". */
export function pathKeys(schema: Schema, at = ""): string[] {
  if (isPath(unwrapped(schema))) return [at];
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
