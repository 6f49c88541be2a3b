/** Reads the imports of a file, in every form that loads a file or takes a type from it. */
import { type Token, tokensOf } from "./tokens.ts";

export interface Import {
  /** Undefined where the name is computed, so that it cannot be known. */
  readonly from: string | undefined;
  /** True if nothing is loaded for it. */
  readonly type: boolean;
  readonly line: number;
}

/** Calls that load a file by its name. */
const LOADERS = new Set(["require", "getBuiltinModule"]);

/** @throws Error where the file cannot be read as TypeScript or JavaScript */
export function importsOf(source: string): Import[] {
  const all = tokensOf(source);
  const tokens = all.filter(({ kind }) => kind !== "comment");
  return [
    ...all.filter(({ kind }) => kind === "comment").flatMap(inComment),
    ...tokens.flatMap((token, i) => (token.kind === "word" ? at(tokens, i, token) : [])),
  ].sort((a, b) => a.line - b.line);
}

/** `import("…")` and `@import … from "…"` in JSDoc, and references. */
function inComment({ text, line }: Token): Import[] {
  const found = text.matchAll(
    /\bimport\(\s*(["'`]?)([^"'`)]*)\1\s*\)|@import\b[^@]*?\bfrom\s*["']([^"']+)["']|^\/\/\/\s*<reference\s+(?:path|types)\s*=\s*["']([^"']+)["']/g,
  );
  return [...found].map(([, quote, call, tag, reference]) => ({
    from: quote === "" ? undefined : (call ?? tag ?? reference),
    type: true,
    line,
  }));
}

function at(tokens: readonly Token[], i: number, { text, line }: Token): Import[] {
  const said = (k: number) => (tokens[k]?.kind === "string" ? undefined : tokens[k]?.text);
  const call = (open: number): Import => ({ from: argument(tokens, open), type: false, line });
  const member = said(i - 1) === "." && said(i - 2) !== ".";
  if (text === "import" && !member) {
    if (said(i + 1) === "(") return [call(i + 1)];
    if (said(i + 1) === ".") return said(i + 3) === "." && said(i + 4) === "resolve" ? [call(i + 5)] : [];
    // a property with this name
    if (tokens[i + 1]?.kind === "sign" && !"{*".includes(said(i + 1) ?? "")) return [];
    return [{ from: source(tokens, i), type: said(i + 1) === "type" && said(i + 2) !== "from", line }];
  }
  if (text === "export" && !member) {
    const type = said(i + 1) === "type";
    const k = type ? i + 2 : i + 1;
    if (said(k) !== "*" && said(k) !== "{") return [];
    const end =
      said(k) === "*" ? k : tokens.findIndex(({ kind, text }, n) => n > k && kind === "sign" && text === "}");
    const from = said(end + 1) === "as" ? end + 3 : end + 1;
    return said(from) === "from" ? [{ from: tokens[from + 1]?.text, type, line }] : [];
  }
  if (text === "createRequire") return said(i + 1) === "(" ? [{ from: undefined, type: false, line }] : [];
  if (LOADERS.has(text)) {
    if (said(i + 1) === "(") return [call(i + 1)];
    if (said(i + 1) === "." && said(i + 2) === "resolve") return [call(i + 3)];
  }
  // new URL("./x.ts", import.meta.url) names a file like an import
  if (text === "URL" && said(i - 1) === "new" && said(i + 1) === "(") {
    const inside = tokens.slice(i + 2, closing(tokens, i + 1)).map(({ text }) => text);
    return /import\.meta\.(url|filename|dirname)/.test(inside.join("")) ? [call(i + 1)] : [];
  }
  return [];
}

/** The first argument of the call whose parenthesis opens there, if it is a single string. */
function argument(tokens: readonly Token[], open: number): string | undefined {
  const [first, next] = [tokens[open + 1], tokens[open + 2]];
  return first?.kind === "string" && next?.kind === "sign" && ",)".includes(next.text)
    ? first.text
    : undefined;
}

/** The string of an import statement, which is first or follows `from`. */
function source(tokens: readonly Token[], i: number): string | undefined {
  if (tokens[i + 1]?.kind === "string") return tokens[i + 1]?.text;
  for (let k = i + 1; k < tokens.length && tokens[k]?.text !== ";"; k += 1) {
    if (tokens[k]?.text === "from" && tokens[k + 1]?.kind === "string") return tokens[k + 1]?.text;
  }
  return undefined;
}

function closing(tokens: readonly Token[], open: number): number {
  let depth = 0;
  for (let k = open; k < tokens.length; k += 1) {
    const { kind, text } = tokens[k] as Token;
    if (kind === "sign" && text === "(") depth += 1;
    if (kind === "sign" && text === ")") depth -= 1;
    if (depth === 0) return k;
  }
  return tokens.length;
}
