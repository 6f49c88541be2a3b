/** Writes JSON objects and strings. */
import { decimal, utf8 } from "../bytes";

/**
 * Builds a JSON object, member by member.
 *
 * @example
 * ```ts
 * const body = new JsonObject().text("plaintext", "c2VlZA==").integer("key_version", 3).finish();
 * ```
 */
export class JsonObject {
  private inside: string = "";

  /**
   * Adds a string.
   * @param name any string
   * @param value any string; a lone surrogate becomes U+FFFD
   * @returns this object
   */
  text(name: string, value: string): this {
    return this.raw(name, quote(value));
  }

  /**
   * Adds a number.
   * @param name any string
   * @param value 0 to 4,294,967,295
   * @returns this object
   */
  integer(name: string, value: u32): this {
    return this.raw(name, decimal(value));
  }

  /**
   * Adds true or false.
   * @param name any string
   * @param value the value
   * @returns this object
   */
  bool(name: string, value: bool): this {
    return this.raw(name, value ? "true" : "false");
  }

  /**
   * Adds a value that is JSON already, such as the `toString` of another object.
   * @param name any string
   * @param json valid JSON; it is not checked
   * @returns this object
   */
  raw(name: string, json: string): this {
    this.inside += (this.inside.length > 0 ? "," : "") + quote(name) + ":" + json;
    return this;
  }

  /**
   * Writes the object so far.
   * @returns its JSON
   */
  toString(): string {
    return "{" + this.inside + "}";
  }

  /**
   * Writes the object so far.
   * @returns its JSON in UTF-8
   */
  finish(): Uint8Array {
    return utf8(this.toString());
  }
}

/**
 * Writes a string as JSON. It escapes only quotes, backslashes and control characters; a lone surrogate becomes U+FFFD, which `parse` accepts.
 *
 * @param text any string
 * @returns the JSON string with its quotes
 * @throws Traps if the memory of 4 MiB is used up.
 * @example
 * ```ts
 * const list = `[${json.quote("a")},${json.quote("b")}]`;
 * ```
 */
export function quote(text: string): string {
  let size = text.length + 2;
  for (let i = 0; i < text.length; i++) size += escapeSize(text.charCodeAt(i));
  // Filled once: a growing string is copied with each piece, and memory is not freed during a call.
  const out = new Uint16Array(size);
  let at = 0;
  out[at++] = 0x22;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if (letter < 0x20) {
      out[at++] = 0x5c;
      out[at++] = 0x75;
      out[at++] = 0x30;
      out[at++] = 0x30;
      out[at++] = (0x30 + (letter >> 4)) as u16;
      out[at++] = digit(letter & 15);
      continue;
    }
    if (escapeSize(letter) > 0) out[at++] = 0x5c;
    out[at++] = letter as u16;
  }
  out[at] = 0x22;
  return String.UTF16.decodeUnsafe(out.dataStart, size << 1);
}

/** The number of characters that escaping adds. */
function escapeSize(letter: i32): i32 {
  if (letter < 0x20) return 5;
  return letter === 0x22 || letter === 0x5c ? 1 : 0;
}

function digit(value: i32): u16 {
  return (value < 10 ? 48 + value : 87 + value) as u16;
}
