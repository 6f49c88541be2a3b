/** Generates docs/audit.schema.json: the JSON Schema 2020-12 of a line, from the same shapes that the host writes. */
import { type Field, TIME } from "./fields.ts";
import { RECORDS, VERSION } from "./record.ts";

type Json = { readonly [key: string]: unknown };

const HEAD: Readonly<Record<string, Json>> = {
  v: { const: VERSION },
  chain: {
    type: "string",
    pattern: "^[0-9a-f]{16}$",
    description: "Random; the same in every line of a chain.",
  },
  prev: {
    type: "string",
    pattern: "^[0-9a-f]{64}$",
    description: "SHA-256 of the whole line before this one, without its newline; zeros in the first line.",
  },
  seq: { type: "integer", minimum: 1, description: "1, 2, 3 … over the whole chain." },
  time: schemaOf({ is: "time" }),
};

/** The schema of one line. */
export function jsonSchema(): Json {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A line of kleidí's audit log",
    oneOf: Object.entries(RECORDS).map(([kind, shape]) => {
      const fields = Object.entries(
        shape as Readonly<Record<string, Field | { is: "optional"; field: Field }>>,
      );
      const properties = fields.map(([name, field]) => [
        name,
        schemaOf(field.is === "optional" ? field.field : field),
      ]);
      return {
        title: kind,
        type: "object",
        properties: { ...HEAD, kind: { const: kind }, ...Object.fromEntries(properties) },
        required: [
          ...Object.keys(HEAD),
          "kind",
          ...fields.filter(([, { is }]) => is !== "optional").map(([name]) => name),
        ],
        additionalProperties: false,
      };
    }),
  };
}

function schemaOf(field: Field): Json {
  switch (field.is) {
    case "text":
      return { type: "string", maxLength: field.max, pattern: "^[ -~]*$" };
    case "hex":
      return { type: "string", pattern: `^[0-9a-f]{${field.digits}}$` };
    case "base64":
      return {
        type: "string",
        minLength: field.characters,
        maxLength: field.characters,
        pattern: "^[A-Za-z0-9+/]+={0,2}$",
      };
    case "time":
      return { type: "string", pattern: TIME.source };
    case "count":
      return { type: "integer", minimum: 0 };
    case "ms":
      return { type: "number", minimum: 0 };
    case "word":
      return { enum: field.of };
  }
}
