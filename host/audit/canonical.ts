/**
 * The canonical form of a line. JSON can encode one value in many ways (white space, escapes, field order, duplicate fields), and two
 * parsers may read different values from one hashed text. A host writes exactly one form, and verify accepts no other.
 */
import type { Field, Optional } from "./fields.ts";
import { RECORDS } from "./record.ts";

/** One character of a text: printable ASCII, with the quotation mark and the backslash escaped. */
const CHARACTER = String.raw`(?:[ !#-\[\]-~]|\\["\\])`;
/** A valid time: other text could not be compared. */
const TIME = String.raw`[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z`;

function patternOf(field: Field): string {
  switch (field.is) {
    case "text":
      return `"${CHARACTER}{0,${field.max}}"`;
    case "hex":
      return `"[0-9a-f]{${field.digits}}"`;
    case "base64":
      return `"[A-Za-z0-9+/]{${field.characters - 2}}[A-Za-z0-9+/=]{2}"`;
    case "count":
      return "(?:0|[1-9][0-9]{0,15})";
    case "ms":
      return String.raw`(?:0|[1-9][0-9]*)(?:\.[0-9]{0,2}[1-9])?`;
    case "time":
      return `"${TIME}"`;
    case "word":
      return `"(?:${field.of.join("|")})"`;
  }
}

function fieldOf(name: string, field: Field | Optional): string {
  return field.is === "optional"
    ? `(?:,"${name}":${patternOf(field.field)})?`
    : `,"${name}":${patternOf(field)}`;
}

/** The pattern of a line from its time to its end, by kind. The part before the time is the same for all kinds (chain.ts). */
const REST = new Map(
  Object.entries(RECORDS).map(([kind, shape]) => {
    const fields = Object.entries(shape as Readonly<Record<string, Field | Optional>>);
    const rest = fields.map(([name, field]) => fieldOf(name, field)).join("");
    return [kind, new RegExp(`${TIME}","kind":"${kind}"${rest}\\}$`, "y")];
  }),
);

/**
 * True if a line has the canonical form of its kind, from its time to its end.
 * @param from the index of the first digit of the time
 */
export function isCanonical(line: string, kind: string, from: number): boolean {
  const rest = REST.get(kind);
  if (rest === undefined) return false;
  rest.lastIndex = from;
  return rest.test(line);
}
