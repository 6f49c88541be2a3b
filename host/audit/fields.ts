/**
 * What may stand in a record: every value is a bounded text, a number or a fixed word. There is no kind of field that takes bytes, so
 * that no plaintext, ciphertext or token can be put into one by mistake.
 */
import { characterEscape } from "../lib/text.ts";

export interface Text {
  readonly is: "text";
  /** Characters, after escaping. */
  readonly max: number;
}
export interface Hex {
  readonly is: "hex";
  readonly digits: number;
}
export interface Base64 {
  readonly is: "base64";
  readonly characters: number;
}
export interface Count {
  readonly is: "count";
}
export interface Milliseconds {
  readonly is: "ms";
}
export interface Time {
  readonly is: "time";
}
export interface Word<W extends string = string> {
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
 * A text as it may stand in a record: printable ASCII, anything else as \u{…}, cut at a length. What a guest or a caller made up must
 * neither break a line nor reach the terminal of whoever reads it.
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
 * A value as it is written.
 * @throws TypeError where it is not what the field is: a fault of the host, since everything that others choose is a text
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
  throw new TypeError(`an audit record's ${name} is not the ${field.is} that it should be`);
}
