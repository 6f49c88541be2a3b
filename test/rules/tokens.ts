/** Tokenizes TypeScript and JavaScript for the reader of imports: words, signs, strings, and comments, in which types are imported too. */

export interface Token {
  readonly kind: "word" | "sign" | "string" | "template" | "regex" | "comment";
  /** The content of a string, all of a comment. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

const PARTS =
  /(?<space>\s+)|(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(?<string>"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*')|(?<word>[\p{ID_Start}$_#@\d][\p{ID_Continue}$\u200c\u200d]*)|(?<sign>[^"'])/uy;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const TEXT_OF_TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;

/** Words before a value: a slash after them begins a regular expression. */
const BEFORE_VALUE = new Set(
  "return typeof case in of new delete void throw await yield do else instanceof extends default".split(" "),
);

/**
 * @returns the tokens of a file; without the texts of its templates, but with the contents of `${…}`
 * @throws Error where a string, a comment or a template has no end
 */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  // for each open template: the number of open braces in its ${…}
  const open: number[] = [];
  let at = source.startsWith("#!") ? source.indexOf("\n") : 0;
  let line = 1;
  const add = (kind: Token["kind"], whole: string, text = whole) => {
    tokens.push({ kind, text, line });
    move(whole);
  };
  const move = (whole: string) => {
    for (const sign of whole) if (sign === "\n") line += 1;
    at += whole.length;
  };
  const fail = (what: string): never => {
    throw new Error(`line ${line}: ${what}`);
  };
  const text = () => {
    TEXT_OF_TEMPLATE.lastIndex = at;
    move(TEXT_OF_TEMPLATE.exec(source)?.[0] ?? "");
    if (source[at] === "`") add("template", "`");
    else if (source.startsWith("${", at)) {
      add("sign", "${");
      open.push(0);
    } else fail("a template has no end");
  };
  while (at < source.length) {
    const sign = source[at];
    const braces = open.at(-1);
    if (sign === "`") {
      add("template", "`");
      text();
      continue;
    }
    if (sign === "}" && braces === 0) {
      open.pop();
      move("}");
      text();
      continue;
    }
    if (braces !== undefined && sign === "{") open[open.length - 1] = braces + 1;
    if (braces !== undefined && sign === "}") open[open.length - 1] = braces - 1;
    if (source.startsWith("/*", at) && source.indexOf("*/", at + 2) < 0) fail("a comment has no end");
    REGEX.lastIndex = at;
    if (sign === "/" && !/^\/[/*]/.test(source.slice(at, at + 2)) && valueFollows(tokens)) {
      const [regex] = REGEX.exec(source) ?? fail("a regular expression has no end");
      add("regex", regex);
      continue;
    }
    PARTS.lastIndex = at;
    const found = PARTS.exec(source) ?? fail("a string has no end");
    const [whole] = found;
    const { space, comment, string, word } = found.groups ?? {};
    if (space !== undefined) move(whole);
    else if (comment !== undefined) add("comment", whole);
    else if (string !== undefined) add("string", whole, saidBy(whole));
    else add(word === undefined ? "sign" : "word", whole);
  }
  return tokens;
}

/** Whether a slash after these tokens begins a regular expression, and not a division. */
function valueFollows(tokens: readonly Token[]): boolean {
  const last = tokens.findLast(({ kind }) => kind !== "comment");
  if (last === undefined) return true;
  if (last.kind === "sign") return !")]}".includes(last.text);
  return last.kind === "word" && BEFORE_VALUE.has(last.text);
}

/** The value of a string: an escape could hide the name of a file. */
function saidBy(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/\\(?:u\{([\da-f]+)\}|u([\da-f]{4})|x([\da-f]{2})|([\s\S]))/gi, (_, a, b, c, other) => {
      const code = a ?? b ?? c;
      return code === undefined ? other : String.fromCodePoint(Number.parseInt(code, 16));
    });
}
