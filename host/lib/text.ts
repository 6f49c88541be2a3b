/**
 * Text that somebody else chose, made fit for its reader. Each reader has one function:
 *
 * - a terminal: `escapeForTerminal` for a whole line, `escapeName`, `escapeProse` and `escapeOwnText` for parts of one
 * - a line of the log: `replaceInvisible`
 * - the text of an error or of a finding: `quote`, `replaceControls`, `replaceNonAscii`
 * - a JSON document: `stringifyAscii`
 *
 * `escape…` keeps what was there readable, as its number. `replace…` drops it. A number is written `\u{202e}`.
 */

/** Control, format, private and unassigned characters, half surrogate pairs, and the separators of lines and paragraphs. */
const CONTROLS = /[\p{C}\p{Zl}\p{Zp}]/gu;
const CONTROLS_IN_LINES = /(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/gu;
/** Controls, invisible characters, marks around a letter, and marks that are stacked higher than any language stacks them. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Me}]|(?<=\p{M}{2})\p{M}/gu;
const NAME = /[^\x20-\x7e…]/gu;
const OWN = /[^\x20-\x7e→…\ufffd]/gu;

const REPLACEMENT = "\ufffd";
const MAX_NAME = 120;

/**
 * Escapes everything but printable ASCII, each UTF-16 unit as `\uXXXX`. A line of JSON stays the same JSON value.
 * @param text a line that anybody may have written
 * @returns one line in printable ASCII
 * @example escapeForTerminal("a\u001b[2J") === "a\\u001b[2J"
 */
export function escapeForTerminal(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, unitEscape);
}

/**
 * Escapes a name or a version. Everything but printable ASCII becomes a number, so no letter of another alphabet passes for one of ours.
 * @param text is cut to 120 UTF-16 units
 * @example escapeName("k\u0435ystore") === "k\\u{435}ystore"
 */
export function escapeName(text: string): string {
  return cutWithLength(text, MAX_NAME).replace(NAME, characterEscape);
}

/**
 * Escapes a sentence of our own that has names of others in it: as a name, but without a bound, and our own signs (→ and U+FFFD) stay.
 * @example escapeOwnText("encrypt → a\u202eb") === "encrypt → a\\u{202e}b"
 */
export function escapeOwnText(text: string): string {
  return text.replace(OWN, characterEscape);
}

/**
 * Escapes a sentence of others, which may be in any language: invisible characters, characters that act on the text around them, and
 * marks that are stacked higher than any language stacks them.
 * @example escapeProse("το κλειδί\n") === "το κλειδί\\u{a}"
 */
export function escapeProse(text: string): string {
  return text.replace(INVISIBLE, characterEscape);
}

/**
 * Replaces what `escapeProse` escapes by U+FFFD: the text cannot forge a line, turn its direction or cover its neighbours.
 * @param text a line that a guest writes to the log
 * @returns a text with at most as many UTF-16 units
 */
export function replaceInvisible(text: string): string {
  return text.replace(INVISIBLE, REPLACEMENT);
}

/**
 * Replaces control characters and separators of lines by U+FFFD.
 * @param text a name or a cause that stands inside a sentence of the host
 * @returns one line, with at most as many UTF-16 units
 */
export function replaceControls(text: string): string {
  return text.replace(CONTROLS, REPLACEMENT);
}

/** As `replaceControls`, with line feeds and tabs kept: for a page, where they are white space. */
export function replaceControlsInLines(text: string): string {
  return text.replace(CONTROLS_IN_LINES, REPLACEMENT);
}

/**
 * Replaces each UTF-16 unit that is not printable ASCII by a question mark.
 * @returns as many units, all printable ASCII
 * @example replaceNonAscii("a\u00e9\n") === "a??"
 */
export function replaceNonAscii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

/**
 * Puts a text in double quotes, as JSON does, and escapes the control characters that JSON leaves.
 * @example quote('a"\u202e') === '"a\\"\\u{202e}"'
 */
export function quote(text: string): string {
  return JSON.stringify(text).replace(CONTROLS, characterEscape);
}

/**
 * Writes JSON in ASCII alone: the same value to every reader, and nothing that a terminal acts on.
 * @param value as JSON.stringify takes it; indented by two spaces
 */
export function stringifyAscii(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/[^\x20-\x7e\n]/g, unitEscape);
}

/**
 * Cuts a text.
 * @param most UTF-16 units that the result has at most, the "…" among them; at least 1
 * @example cut("abcd", 3) === "ab…"
 */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/**
 * Cuts a text and tells how long it was.
 * @param most UTF-16 units of the text that are kept; what tells the length comes on top
 * @example cutWithLength("abcd", 3) === "abc… (4 characters)"
 */
export function cutWithLength(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`;
}

/**
 * The number of a character.
 * @param character one code point
 * @example characterEscape("\u202e") === "\\u{202e}"
 */
export function characterEscape(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function unitEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
