/** Turns the issues that the schema finds in a document into faults with a correction. */
import * as z from "zod";
import type { Fault } from "../schema/fault.ts";
import { lineFor } from "../schema/line.ts";
import { defaultOf, fieldOf, isOptional, keysOf, schemaAt } from "../schema/shape.ts";
import { LONGEST, nearest, type Path, pathText, quoted } from "../schema/text.ts";
import type { Document } from "./document.ts";
import { SCHEMA } from "./schema.ts";

type Issue = z.core.$ZodIssue;

/**
 * Makes one fault for each unknown key and one for each place with an invalid value.
 * @param issues zod's issues of the document's value
 */
export function faultsOf(issues: readonly Issue[], document: Document): Fault[] {
  const faults: Fault[] = [];
  const renamed = new Set<string>();
  for (const issue of issues) {
    if (issue.code !== "unrecognized_keys") continue;
    for (const key of issue.keys) {
      const { fault, meant } = unknownKey(document, steps(issue.path), key);
      faults.push(fault);
      if (meant !== undefined) renamed.add(pathText([...steps(issue.path), meant]));
    }
  }

  // several checks of one place can fail together, and the fault of the place is the same
  const reported = new Set<string>();
  for (const issue of issues) {
    const path = steps(issue.path);
    const text = pathText(path);
    if (issue.code === "unrecognized_keys" || reported.has(text) || document.isRefused(path)) continue;
    reported.add(text);
    // a misspelt key is not also reported as missing
    if (!(renamed.has(text) && document.locate(path).missing)) faults.push(badValue(document, path));
  }
  return faults;
}

function steps(path: readonly PropertyKey[]): Path {
  return path.map((step) => (typeof step === "symbol" ? String(step) : step));
}

/** Names the key and never its value: a secret may have been pasted there. */
function unknownKey(document: Document, parent: Path, key: string) {
  const schema = schemaAt(SCHEMA, parent);
  const known = schema === undefined ? [] : Object.keys(keysOf(schema));
  const free = known.filter((name) => document.locate([...parent, name]).missing);
  const meant = nearest(key, free);
  const fault = document.fault(
    [...parent, key],
    {
      expected: `${known.length === 1 ? "the key" : "one of the keys"} ${known.join(", ")}`,
      actual: `the unknown key ${quoted(key)}`,
      remedy: meant === undefined ? "remove it" : `write: ${meant}: …`,
    },
    "key",
  );
  return { fault, meant };
}

function badValue(document: Document, path: Path): Fault {
  const schema = schemaAt(SCHEMA, path);
  // every path of an issue exists in the schema
  if (schema === undefined) throw new Error(`no schema at ${pathText(path)}`);
  const { expected, example } = fieldOf(schema);
  const { source, actual } = document.locate(path);
  const value = (source === undefined ? undefined : suggestion(schema, source)) ?? defaultOf(schema);
  const write = lineFor(path, value === undefined ? { text: example } : { value });
  let remedy = `write: ${write}`;
  if (isOptional(schema) && source === undefined && actual === "nothing")
    remedy = `remove the key, or ${remedy}`;
  // too long to repeat, and valid except for the quotes: a digest that consists of digits
  const isText = actual.startsWith('"');
  if (source !== undefined && !isText && source.length > LONGEST && z.safeParse(schema, source).success)
    remedy = "put the value in double quotes";
  return document.fault(path, { expected, remedy });
}

/** Returns a valid value that was probably meant: the source as text or as a number, or the suggestion of the schema. */
function suggestion(schema: z.core.$ZodType, source: string): unknown {
  if (source.trim() === "") return undefined; // Number("") is 0
  const candidates = [source, Number(source), fieldOf(schema).suggest?.(source)];
  return candidates.find(
    (value) => value !== undefined && String(value).length <= LONGEST && z.safeParse(schema, value).success,
  );
}
