/**
 * Escapes untrusted text for its destination. Each destination has its functions:
 *
 * - a terminal: `escapeForTerminal` for a whole line, `escapeName`, `escapeProse` and `escapeOwnText` for parts of one
 * - a line of the log: `replaceInvisible`
 * - the text of an error or a finding: `quote`, `replaceControls`, `replaceNonAscii`
 * - a JSON document: `stringifyAscii`
 *
 * `escape…` writes the code point of a character, as in `\u{202e}`. `replace…` discards the character.
 */

/** Control, format, private-use and unassigned characters, lone surrogates, and separators of lines and paragraphs. */
const CONTROLS = /[\p{C}\p{Zl}\p{Zp}]/gu;
const CONTROLS_IN_LINES = /(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/gu;
/** Controls, invisible characters, enclosing marks, and marks stacked higher than in any language. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\p{Me}]|(?<=\p{M}{2})\p{M}/gu;
const NAME = /[^\x20-\x7e…]/gu;
const OWN = /[^\x20-\x7e→…\ufffd]/gu;

const REPLACEMENT = "\ufffd";
const MAX_NAME = 120;

/**
 * Escapes everything but printable ASCII, each UTF-16 unit as `\uXXXX`. A line of JSON keeps its JSON value.
 * @param text an untrusted line
 * @returns one line in printable ASCII
 * @example escapeForTerminal("a\u001b[2J") === "a\\u001b[2J"
 */
export function escapeForTerminal(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, unitEscape);
}

/**
 * Escapes a name or a version. Everything but printable ASCII is escaped, so that a look-alike letter of another alphabet is visible.
 * @param text cut to 120 UTF-16 units
 * @example escapeName("k\u0435ystore") === "k\\u{435}ystore"
 */
export function escapeName(text: string): string {
  return cutWithLength(text, MAX_NAME).replace(NAME, characterEscape);
}

/**
 * Escapes a sentence of the host that contains untrusted names: like `escapeName`, but without a length limit, and keeps → and U+FFFD.
 * @example escapeOwnText("encrypt → a\u202eb") === "encrypt → a\\u{202e}b"
 */
export function escapeOwnText(text: string): string {
  return text.replace(OWN, characterEscape);
}

/**
 * Escapes an untrusted sentence in any language: invisible characters, characters that affect the text around them, and marks stacked
 * higher than in any language.
 * @example escapeProse("το κλειδί\n") === "το κλειδί\\u{a}"
 */
export function escapeProse(text: string): string {
  return text.replace(INVISIBLE, characterEscape);
}

/**
 * Replaces the characters that `escapeProse` escapes by U+FFFD: the text cannot forge a line, change the direction or cover other text.
 * @param text a line that a guest writes to the log
 * @returns a text with at most as many UTF-16 units
 */
export function replaceInvisible(text: string): string {
  return text.replace(INVISIBLE, REPLACEMENT);
}

/**
 * Replaces control characters and line separators by U+FFFD.
 * @param text a name or a cause inside a sentence of the host
 * @returns one line, with at most as many UTF-16 units
 */
export function replaceControls(text: string): string {
  return text.replace(CONTROLS, REPLACEMENT);
}

/** Like `replaceControls`, but keeps line feeds and tabs: for HTML, where they are white space. */
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
 * Puts a text in double quotes, as JSON does, and escapes the control characters that JSON does not escape.
 * @example quote('a"\u202e') === '"a\\"\\u{202e}"'
 */
export function quote(text: string): string {
  return JSON.stringify(text).replace(CONTROLS, characterEscape);
}

/**
 * Formats JSON in ASCII only: every parser reads the same value, and no character controls a terminal.
 * @param value any value that JSON.stringify accepts
 * @returns JSON, indented by two spaces
 */
export function stringifyAscii(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/[^\x20-\x7e\n]/g, unitEscape);
}

/**
 * Cuts a text to a maximum length.
 * @param most the maximum length of the result in UTF-16 units, including the "…"; at least 1
 * @example cut("abcd", 3) === "ab…"
 */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/**
 * Cuts a text and appends its full length.
 * @param most UTF-16 units of the text to keep, without the appended length
 * @example cutWithLength("abcd", 3) === "abc… (4 characters)"
 */
export function cutWithLength(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`;
}

/**
 * Escapes one character as its code point.
 * @param character one code point
 * @example characterEscape("\u202e") === "\\u{202e}"
 */
export function characterEscape(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function unitEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
