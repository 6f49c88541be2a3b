/**
 * Escapes values for the rendered files. Each format has one function, and every value of the configuration and of the command line goes
 * through one of them, so that a value stays one value whatever its characters are.
 */
import { Document, visit } from "yaml";
import { quote } from "../lib/text.ts";

/** Text that a parser of YAML 1.1, YAML 1.2 or Go would read as a number or a date. */
const NUMERIC = /^[-+]?[.0-9]/;

/**
 * Formats a document as YAML in ASCII, which parsers of YAML 1.1 (Kubernetes) and 1.2 read in the same way: without anchors and without wrapped lines.
 * @param value plain objects, lists, text, numbers and booleans; a value that is undefined is left out
 */
export function yaml(value: object): string {
  const document = new Document(value, { version: "1.1", aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value !== "string") return;
      if (NUMERIC.test(node.value) || /[^\x20-\x7e]/.test(node.value)) node.type = "QUOTE_DOUBLE";
    },
  });
  // only text in double quotes contains other characters than ASCII; some of them end a line in YAML 1.1
  return document.toString({ lineWidth: 0, directives: false }).replace(/[^\x20-\x7e\n]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Characters that every setting of systemd accepts in double quotes. The settings have different escapes, so no other character works in all. */
const UNIT_TEXT = /^(?:(?!["'\\])[\x20-\x7e])+$/;

/** @returns a reason for each path that no unit file can name */
export function unwritable(paths: readonly string[]): string[] {
  return paths
    .filter((path) => !UNIT_TEXT.test(path))
    .map(
      (path) =>
        `systemd's settings cannot carry the path ${quote(path)}: rename it to printable ASCII without quotes and backslashes`,
    );
}

/**
 * Quotes a word for a unit file, sysusers.d or tmpfiles.d.
 * @throws RangeError a character cannot be written (see `unwritable`)
 */
export function unitWord(text: string): string {
  if (!UNIT_TEXT.test(text)) throw new RangeError(`Cannot write ${quote(text)} into a unit file`);
  const plain = text.replaceAll("%", "%%");
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(plain) ? plain : `"${plain}"`;
}

/** Quotes a word for ExecStart=, which also expands variables. */
export function unitArgument(text: string): string {
  return unitWord(text.replaceAll("$", "$$$$"));
}

/** Escapes an entry of a container's `args`, in which the kubelet expands `$(NAME)`. */
export function podArgument(text: string): string {
  return text.replaceAll("$", "$$$$");
}

/** Quotes a word for a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
