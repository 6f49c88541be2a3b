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
  let size = text.length + 2;
  for (let i = 0; i < text.length; i++) size += escapeSize(text.charCodeAt(i));
  // Filled once: a string that grows is copied with each piece, and nothing is freed.
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

/** How much longer a letter becomes. */
function escapeSize(letter: i32): i32 {
  if (letter < 0x20) return 5;
  return letter === 0x22 || letter === 0x5c ? 1 : 0;
}

function digit(value: i32): u16 {
  return (value < 10 ? 48 + value : 87 + value) as u16;
}
