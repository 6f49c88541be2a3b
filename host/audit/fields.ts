/**
 * The types of record fields: every value is a bounded text, a number or a fixed word. No field type takes bytes, so that no plaintext,
 * ciphertext or token can enter a record by mistake.
 */
import { characterEscape } from "../lib/text.ts";

interface Text {
  readonly is: "text";
  /** The maximum length in characters, after escaping. */
  readonly max: number;
}
interface Hex {
  readonly is: "hex";
  readonly digits: number;
}
interface Base64 {
  readonly is: "base64";
  readonly characters: number;
}
interface Count {
  readonly is: "count";
}
interface Milliseconds {
  readonly is: "ms";
}
interface Time {
  readonly is: "time";
}
interface Word<W extends string = string> {
  readonly is: "word";
  readonly of: readonly W[];
}
export type Field = Text | Hex | Base64 | Count | Milliseconds | Time | Word;
export interface Optional<F extends Field = Field> {
  readonly is: "optional";
  readonly field: F;
}

export type ValueOf<F extends Field> =
  F extends Word<infer W> ? W : F extends Count | Milliseconds ? number : string;

export const text = (max: number): Text => ({ is: "text", max });
export const hex = (digits: number): Hex => ({ is: "hex", digits });
export const base64 = (characters: number): Base64 => ({ is: "base64", characters });
export const count: Count = { is: "count" };
export const ms: Milliseconds = { is: "ms" };
export const time: Time = { is: "time" };
export const word = <const W extends string>(...of: W[]): Word<W> => ({ is: "word", of });
export const optional = <const F extends Field>(field: F): Optional<F> => ({ is: "optional", field });

const PLAIN = /^[ -~]*$/;
const CUT = "...";

/**
 * Encodes an untrusted text for a record: printable ASCII, other characters as \u{…}, cut to a maximum length. Text of a guest or a
 * caller can neither break a line nor control the terminal of a reader.
 * @param max the maximum length of the result
 */
export function bounded(value: string, max: number): string {
  if (value.length <= max && PLAIN.test(value)) return value;
  let result = "";
  for (const character of value) {
    const next = PLAIN.test(character) ? character : characterEscape(character);
    if (result.length + next.length > max - CUT.length) return result + CUT;
    result += next;
  }
  return result;
}

const HEX = /^[0-9a-f]*$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** ISO 8601, UTC, milliseconds: 24 characters. */
export const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$/;

/**
 * Encodes the value of a field.
 * @param name of the field, for the error
 * @throws TypeError if the value does not have the type of the field: a bug of the host, because all untrusted values are texts
 */
export function encodeField(field: Field, value: unknown, name: string): string | number {
  switch (field.is) {
    case "text":
      if (typeof value === "string") return bounded(value, field.max);
      break;
    case "count":
      if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
      break;
    case "ms":
      if (typeof value === "number" && Number.isFinite(value) && value >= 0)
        return Math.round(value * 1000) / 1000;
      break;
    case "hex":
      if (typeof value === "string" && value.length === field.digits && HEX.test(value)) return value;
      break;
    case "base64":
      if (typeof value === "string" && value.length === field.characters && BASE64.test(value)) return value;
      break;
    case "time":
      if (typeof value === "string" && TIME.test(value)) return value;
      break;
    case "word":
      if (typeof value === "string" && field.of.includes(value)) return value;
      break;
  }
  throw new TypeError(`the field ${name} of an audit record is not a valid ${field.is}`);
}
