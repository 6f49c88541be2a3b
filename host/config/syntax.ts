/** The texts of syntax faults. The sentences of the parser quote the file, which may contain a secret; these do not. */
import type { ErrorCode } from "yaml";
import type { FaultText } from "../schema/fault.ts";

const MARKER: FaultText = {
  expected: "every quote and bracket to be closed, and a space after : , and -",
  actual: "a line where one is missing",
  remedy: "close it on this line or the one before it",
};
const INDENT: FaultText = {
  expected: "keys of one mapping in the same column",
  actual: "a line with another indentation, or an unclosed bracket",
  remedy: "indent it like the lines beside it, or close the bracket",
};
const NESTED: FaultText = {
  expected: "one key and its value on a line",
  actual: "a line with another structure",
  remedy: 'put a value that has ": " in it in double quotes, and a nested mapping on the next line, indented',
};
const TAG: FaultText = {
  expected: "plain values",
  actual: "a YAML tag",
  remedy: 'remove the word that begins with "!", or put the value in double quotes',
};
const OTHER: FaultText = {
  expected: "YAML 1.2",
  actual: "text that is not valid YAML",
  remedy: "correct this line, or put its value in double quotes",
};

const BY_CODE: Partial<Record<ErrorCode, FaultText>> = {
  MISSING_CHAR: MARKER,
  BAD_INDENT: INDENT,
  BLOCK_AS_IMPLICIT_KEY: NESTED,
  MULTILINE_IMPLICIT_KEY: NESTED,
  TAG_RESOLVE_FAILED: TAG,
  BAD_COLLECTION_TYPE: TAG,
  BAD_DIRECTIVE: {
    expected: "no directive",
    actual: 'a line that begins with "%"',
    remedy: "remove it",
  },
  TAB_AS_INDENT: {
    expected: "spaces as indentation",
    actual: "a tab",
    remedy: "write two spaces for each tab",
  },
  MULTIPLE_DOCS: {
    expected: "one YAML document",
    actual: "the beginning of a second one",
    remedy: 'remove the line "---" or "..." and what follows it',
  },
  BAD_SCALAR_START: {
    expected: "a value that begins with a letter, a digit or a quote",
    actual: "a character that YAML reserves",
    remedy: "put the value in double quotes",
  },
  BAD_DQ_ESCAPE: {
    expected: "an escape sequence of YAML",
    actual: "an unknown escape sequence in double quotes",
    remedy: "put the value in single quotes",
  },
  NON_STRING_KEY: {
    expected: "text as a key",
    actual: "a list, a mapping or a tagged value",
    remedy: 'remove the "?" or the brackets',
  },
  RESOURCE_EXHAUSTION: {
    expected: "a few levels of nesting",
    actual: "thousands of levels",
    remedy: "remove the part that is not configuration",
  },
};

/** @returns the text of the fault for an error code of the parser */
export function syntaxFaultText(code: ErrorCode): FaultText {
  return BY_CODE[code] ?? OTHER;
}
