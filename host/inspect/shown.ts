/**
 * Text that a module, or whoever made it, has chosen, fit for a terminal and a page. Nothing of it may move a cursor, turn the
 * direction of a line, or look like something else. What is escaped stays readable: `\u{202e}`.
 */

const MAX_NAME = 120;

/** Names and versions: what is not printable ASCII is escaped, so that no letter of another alphabet passes for one of ours. */
export function name(text: string): string {
  return escaped(cut(text, MAX_NAME), /[^\x20-\x7e]/gu);
}

/** Our own sentences, with a module's names in them: the same, but for the signs that we write ourselves. */
export function ours(text: string): string {
  return escaped(text, /[^\x20-\x7e→\ufffd]/gu);
}

/**
 * Sentences of others, which may be in any language: what is invisible or acts on the text around it is escaped, and marks that
 * are piled up higher than any language does.
 */
export function prose(text: string): string {
  return escaped(text, /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Me}]|(?<=\p{M}{2})\p{M}/gu);
}

/** At most so many UTF-16 units; what was cut off is told. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`;
}

/** JSON in ASCII alone: the same value to every reader, and nothing that a terminal acts on. */
export function json(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /[^\x20-\x7e\n]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function escaped(text: string, what: RegExp): string {
  return text.replace(what, (character) =>
    character === "…" ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
