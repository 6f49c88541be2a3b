/** Writes a JSON object: `new JsonObject().text("plaintext", base64).integer("key_version", 3).finish()`. */
import { decimal, utf8 } from "../bytes";

export class JsonObject {
  private inside: string = "";

  text(name: string, value: string): this {
    return this.raw(name, quote(value));
  }

  integer(name: string, value: u32): this {
    return this.raw(name, decimal(value));
  }

  bool(name: string, value: bool): this {
    return this.raw(name, value ? "true" : "false");
  }

  /** A member whose value is JSON already: another object's `toString`, an array, a number. */
  raw(name: string, json: string): this {
    this.inside += (this.inside.length > 0 ? "," : "") + quote(name) + ":" + json;
    return this;
  }

  toString(): string {
    return "{" + this.inside + "}";
  }

  finish(): Uint8Array {
    return utf8(this.toString());
  }
}

/** A string as JSON has it. Only what must be escaped is; a lone surrogate becomes U+FFFD, which `parse` takes. */
export function quote(text: string): string {
  let out = '"';
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charCodeAt(i);
    if (letter >= 0x20 && letter !== 0x22 && letter !== 0x5c) continue;
    out += text.slice(from, i) + (letter < 0x20 ? "\\u00" + hex2(letter) : "\\" + text.charAt(i));
    from = i + 1;
  }
  return out + text.slice(from) + '"';
}

function hex2(value: i32): string {
  const low = value & 15;
  return String.fromCharCode(48 + (value >> 4)) + String.fromCharCode(low < 10 ? 48 + low : 87 + low);
}
