/** Patterns of texts and JSON with captures: "${name}" in a pattern stands for a part, and in a template for what was captured. Pure. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };
/** The captured values, by name. */
export type Captures = Map<string, Json>;

const HOLE = /\$\{([a-z_]+)\}/g;
const WHOLE = /^\$\{([a-z_]+)\}$/;

/**
 * Matches a text. A name that occurs twice must stand for the same text.
 * @param part a regular expression for the text that a capture stands for
 * @param captures receives the captured texts
 * @returns false if the text has another form
 * @example matchText("/keys/${key}", "/keys/kek", "[^/]+", captures) // true, and captures has key → "kek"
 */
export function matchText(pattern: string, text: string, part: string, captures: Captures): boolean {
  const names = [...pattern.matchAll(HOLE)].map(([, name = ""]) => name);
  const source = pattern.split(HOLE).map((piece, i) => (i % 2 === 0 ? escaped(piece) : `(${part})`));
  const found = new RegExp(`^${source.join("")}$`, "s").exec(text);
  return found !== null && names.every((name, i) => capture(name, found[i + 1] ?? "", captures));
}

/**
 * Matches a JSON value. Members that the pattern does not name are ignored. A text that is only "${name}" captures any value.
 * @param captures receives the captured values
 */
export function matchJson(pattern: Json, value: Json | undefined, captures: Captures): boolean {
  if (value === undefined) return false;
  if (typeof pattern === "string") {
    const [, name] = WHOLE.exec(pattern) ?? [];
    if (name !== undefined) return capture(name, value, captures);
    return typeof value === "string" && matchText(pattern, value, ".*", captures);
  }
  if (pattern === null || typeof pattern !== "object") return pattern === value;
  if (value === null || typeof value !== "object") return false;
  return Object.entries(pattern).every(([name, each]) =>
    matchJson(each, Object.hasOwn(value, name) ? (value as Record<string, Json>)[name] : undefined, captures),
  );
}

/** Fills a template. A text that is only "${name}" becomes the captured value, with its type. */
export function fill(template: Json, captures: Captures): Json {
  if (typeof template === "string") {
    const [, name] = WHOLE.exec(template) ?? [];
    if (name !== undefined) return captures.get(name) ?? "";
    return template.replace(HOLE, (_, each: string) => String(captures.get(each) ?? ""));
  }
  if (template === null || typeof template !== "object") return template;
  if (Array.isArray(template)) return template.map((each: Json) => fill(each, captures));
  const members = Object.entries(template).map(([name, each]) => [
    String(fill(name, captures)),
    fill(each, captures),
  ]);
  return Object.fromEntries(members);
}

/** @returns the names of the captures in a pattern or a template */
export function namesIn(pattern: Json): string[] {
  return [...JSON.stringify(pattern).matchAll(HOLE)].map(([, name = ""]) => name);
}

/** @returns true if two sets of captures agree on every name that both have: 3 and "3" are the same */
export function agree(one: Captures, other: Captures): boolean {
  return [...one].every(([name, value]) => !other.has(name) || String(other.get(name)) === String(value));
}

function capture(name: string, value: Json, captures: Captures): boolean {
  if (captures.has(name)) return String(captures.get(name)) === String(value);
  captures.set(name, value);
  return true;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}
