/** JSON pointers (RFC 6901) into parsed JSON. */

/** The reference tokens of a pointer, unescaped. */
export type Pointer = readonly string[];

const MAX_KEYS = 16;

/** @throws Error the text is not a valid pointer; the schema has already checked those of a configuration */
export function parsePointer(text: string): Pointer {
  const wrong = (what: string) => new Error(`Cannot take ${JSON.stringify(text)} as a JSON pointer: ${what}`);
  if (text !== "" && !text.startsWith("/")) throw wrong('it should begin with "/"');
  if (/~(?![01])/.test(text)) throw wrong('"~" should be written "~0"');
  const keys = text.split("/").slice(1);
  if (keys.length > MAX_KEYS) throw wrong(`it has ${keys.length} keys, at most ${MAX_KEYS} are allowed`);
  // ~1 before ~0, or "~01" would become "/" (RFC 6901, section 4).
  return keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The text of a pointer, for a message. */
export function pointerText(pointer: Pointer): string {
  return pointer.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The value at a pointer; undefined if there is none. Reads own properties and elements only, never a prototype or a length. */
export function valueAt(document: unknown, pointer: Pointer): unknown {
  let value = document;
  for (const key of pointer) {
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value) && !/^(0|[1-9][0-9]{0,8})$/.test(key)) return undefined;
    if (!Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
