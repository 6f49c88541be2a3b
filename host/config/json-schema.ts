/**
 * Generates docs/kleidi.schema.json, for editors: the JSON Schema of the configuration, from the schema that the parser uses. It is weaker
 * than the parser: rules across keys and checks in code are missing, and a document that it refuses is one that the parser refuses.
 */
import { parse } from "yaml";
import * as z from "zod";
import { FIELDS, isPath, MAX_PATH } from "../schema/field.ts";
import { defaultOf } from "../schema/shape.ts";
import { SCHEMA } from "./schema.ts";

type Json = Record<string, unknown>;

/** The JSON Schema of the file. Draft 7: the editors' yaml-language-server knows no later one in full. */
export function configJsonSchema(): Json {
  const { $schema, ...schema } = z.toJSONSchema(SCHEMA, {
    target: "draft-7",
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => describe(zodSchema, jsonSchema),
  });
  return { $schema, title: "The configuration of kleidí", ...schema };
}

/** Completes the schema of one key in place: its texts, and the bounds of a path. */
function describe(schema: z.core.$ZodType, json: Json): void {
  if (isPath(schema)) {
    delete json.pattern; // it excludes NUL, which patterns of editors write in other ways
    Object.assign(json, { minLength: 1, maxLength: MAX_PATH });
  }
  const texts = FIELDS.get(schema);
  if (texts === undefined) return;
  const { meaning, expected, absent, example, keywords } = texts;
  const unset = absent === undefined ? "" : ` If left out: ${absent}.`;
  json.description = `${meaning}${unset} Expected: ${expected}.`;
  if (defaultOf(schema) === undefined) delete json.default; // an empty mapping: its keys have their own defaults
  Object.assign(json, keywords);
  const value: unknown = parse(example);
  if (z.safeParse(schema, value).success) json.examples = [value];
}
