/**
 * Escapes values for the files that are rendered. Each format has one function, and every value of the configuration and of the command
 * line goes through one of them: a value stays one value, whatever its characters are.
 */
import { Document, visit } from "yaml";
import { quote } from "../lib/text.ts";

/** A number or a date for one of the parsers of YAML 1.1, 1.2 and Go. */
const NUMERIC = /^[-+]?[.0-9]/;

/**
 * Formats a document as YAML in ASCII, which parsers of YAML 1.1 (Kubernetes) and 1.2 read alike: no anchors, no line is wrapped.
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
  // only text in double quotes has other characters than ASCII; some of them end a line in YAML 1.1
  return document.toString({ lineWidth: 0, directives: false }).replace(/[^\x20-\x7e\n]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** Characters that systemd's settings carry in double quotes. Its settings differ in their escapes, so that others cannot be written in all. */
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
 * A word of a unit file, of sysusers.d or of tmpfiles.d.
 * @throws RangeError a character cannot be written (see `unwritable`)
 */
export function unitWord(text: string): string {
  if (!UNIT_TEXT.test(text)) throw new RangeError(`Cannot write ${quote(text)} into a unit file`);
  const plain = text.replaceAll("%", "%%");
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(plain) ? plain : `"${plain}"`;
}

/** A word of ExecStart=, which expands variables besides. */
export function unitArgument(text: string): string {
  return unitWord(text.replaceAll("$", "$$$$"));
}

/** An entry of a container's `args`, in which the kubelet expands `$(NAME)`. */
export function podArgument(text: string): string {
  return text.replaceAll("$", "$$$$");
}

/** A word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
