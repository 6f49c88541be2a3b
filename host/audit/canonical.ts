/**
 * The one form of a line. JSON can say the same in many ways (white space, escapes, another order, a field more), and a signature or a
 * hash over what was written says nothing about which of them a reader sees. A host writes one of them, and verify takes no other.
 */
import type { Field, Optional } from "./fields.ts";
import { RECORDS } from "./record.ts";

/** Printable ASCII; of what JSON must escape there is the quotation mark and the backslash. */
const CHARACTER = String.raw`(?:[ !#-\[\]-~]|\\["\\])`;
/** Only a time that a clock can show: another text would be neither early nor late. */
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

/** A line from its time on, by its kind. What is in front of the time has the same form in all of them (chain.ts). */
const REST = new Map(
  Object.entries(RECORDS).map(([kind, shape]) => {
    const fields = Object.entries(shape as Readonly<Record<string, Field | Optional>>);
    const rest = fields.map(([name, field]) => fieldOf(name, field)).join("");
    return [kind, new RegExp(`${TIME}","kind":"${kind}"${rest}\\}$`, "y")];
  }),
);

/**
 * Whether a line is, from its time on, what a host writes.
 * @param from where the digits of the time begin
 */
export function isCanonical(line: string, kind: string, from: number): boolean {
  const rest = REST.get(kind);
  if (rest === undefined) return false;
  rest.lastIndex = from;
  return rest.test(line);
}
