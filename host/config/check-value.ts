/** Checks one value before there is a document: an answer that becomes a key of the file. */
import * as z from "zod";
import { fieldOf, schemaAt } from "../schema/shape.ts";
import { type Path, pathText, quoted } from "../schema/text.ts";
import { SCHEMA } from "./schema.ts";

/**
 * @param path the key that takes the value; it must exist in the schema
 * @returns the fault, as "expected …, found …"; undefined for a valid value
 * @example checkValue(["keys", 0, "name"], "KEK 1") // 'expected a name of a-z …, found "KEK 1"'
 */
export function checkValue(path: Path, value: string): string | undefined {
  const schema = schemaAt(SCHEMA, path);
  if (schema === undefined) throw new Error(`no schema at ${pathText(path)}`);
  if (z.safeParse(schema, value).success) return undefined;
  return `expected ${fieldOf(schema).expected}, found ${quoted(value)}`;
}
