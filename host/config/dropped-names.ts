/** Finds the names that zod drops without an issue: it leaves `__proto__` out of a mapping with free names. */
import type * as z from "zod";
import type { Fault } from "../schema/fault.ts";
import { entryOf, itemOf, keysOf } from "../schema/shape.ts";
import type { Path } from "../schema/text.ts";
import type { Document } from "./document.ts";

const DROPPED = "__proto__";

/** @returns one fault for each name that the configuration would not contain */
export function droppedNames(
  document: Document,
  schema: z.core.$ZodType | undefined,
  value: unknown = document.value,
  path: Path = [],
): Fault[] {
  if (schema === undefined || typeof value !== "object" || value === null) return [];
  if (Array.isArray(value))
    return value.flatMap((item, i) => droppedNames(document, itemOf(schema), item, [...path, i]));
  const entry = entryOf(schema);
  const keys = keysOf(schema);
  return Object.entries(value).flatMap(([name, each]) => {
    const at = [...path, name];
    if (entry !== undefined && name === DROPPED) return [reserved(document, at)];
    return droppedNames(document, entry ?? (Object.hasOwn(keys, name) ? keys[name] : undefined), each, at);
  });
}

function reserved(document: Document, path: Path): Fault {
  const text = {
    expected: "another name",
    actual: `the reserved name "${DROPPED}"`,
    remedy: "rename or remove it",
  };
  return document.fault(path, text, "key");
}
