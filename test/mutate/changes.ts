/** The small changes that npm run mutate makes to a file, one at a time. */
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";

/** The text from start to end is replaced. */
export interface Change {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const OPERATORS: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "==": "!=",
  "!=": "==",
  "&&": "||",
  "||": "&&",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "<<": ">>",
  "&": "|",
  "+=": "=",
  "-=": "+=",
};
const MODES: Readonly<Record<string, string>> = { "0o600": "0o644", "0o700": "0o755", "0o400": "0o444" };
/** The values that a function returns at once, by its written return type. */
const EARLY: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^boolean$|^bool$/, ["true", "false"]],
  [/^(Promise<)?void>?$/, [""]],
  [/^string$/, ['""']],
  [/^(number|[iu]32)$/, ["0"]],
  [/\[\]$/, ["[]"]],
  [/undefined$/, ["undefined"]],
  [/^Uint8Array/, ["new Uint8Array(0)"]],
];
/** Calls that make a copy or a normal form; without the call, the original is used. */
const METHODS = /^(slice|subarray|toSorted|toReversed|normalize|trim|toLowerCase|toUpperCase|unref)$/;
const COPIES =
  /^(structuredClone|Object\.freeze|(Uint8Array|Buffer|Array)\.from|(new )?(Uint8Array|Map|Set)|resolve|normalize)$/;
/** Calls whose arguments have no order. */
const COMMUTATIVE = /^Math\.(max|min|imul)$/;
/** Statements whose loss shows only after a crash. */
const DURABLE = /\b(f?datasync|f?sync|f?chmod|rename|r?m|unlink|close|lock|flush|fill)(Sync)?\b/;
/** Types have no effect at run time. */
const SKIPPED = /^(Import|Export|Interface|TypeAlias)\w*Declaration$/;
/** Names of kinds that are treated as another kind; the first is the name of a numeric literal. */
const SAME: Readonly<Record<string, string>> = {
  FirstLiteralToken: "NumericLiteral",
  MethodDeclaration: "FunctionDeclaration",
  NewExpression: "CallExpression",
};

/** Every change that can be made to a file. */
export function changesTo(source: SourceFile): Change[] {
  const found: Change[] = [];
  const all = source.text;
  const begin = (node: Node) => node.getStart(source);
  const text = (node: Node) => all.slice(begin(node), node.end);
  const add = (kind: string, start: number, end: number, to: string) =>
    found.push({ kind, start, end, text: to });
  const put = (kind: string, node: Node, to: string) => add(kind, begin(node), node.end, to);
  const codes = new Set<string>(all.match(/\b[A-Z]\w*(Code|Status|status)\.[A-Z_]{2,}\b/g) ?? []);
  const words = new Set<string>(
    [...all.matchAll(/(?:code: |Error\(|fault\()("[a-z]+(?:-[a-z]+)+")/g)].map(([, word]) => `${word}`),
  );

  /** Each of the other codes or words that the file contains. */
  function exchange(node: Node, known: ReadonlySet<string>): void {
    if (!known.has(text(node))) return;
    for (const other of known) if (other !== text(node)) put("code", node, other);
  }

  function drop(kind: string, list: readonly Node[]): void {
    list.forEach((node, i) => {
      const next = list[i + 1];
      const before = list[i - 1];
      const from = next === undefined && before !== undefined ? before.end : begin(node);
      add(kind, from, next === undefined ? node.end : begin(next), "");
    });
  }

  /** By the name of a node's kind. Each kind has its own members. */
  // biome-ignore lint/suspicious/noExplicitAny: see above.
  const changes: Readonly<Record<string, (node: any) => void>> = {
    IfStatement(node) {
      put("condition", node.expression, `!(${text(node.expression)})`);
      if (!node.elseStatement && /throw|return|continue/.test(text(node))) put("check", node, ";");
    },
    WhileStatement: ({ expression }) => put("condition", expression, `!(${text(expression)})`),
    ConditionalExpression: ({ condition }) => put("condition", condition, `!(${text(condition)})`),
    PrefixUnaryExpression: (node) => text(node)[0] === "!" && put("condition", node, text(node.operand)),
    BinaryExpression(node) {
      const operator = text(node.operatorToken);
      const other = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
      if (other !== undefined) put("operator", node.operatorToken, other);
      if (operator === "|" || operator === "??") put("operand", node, text(node.left));
    },
    ExpressionStatement: (node) => put(DURABLE.test(text(node)) ? "durable" : "statement", node, ";"),
    ThrowStatement: (node) => put("throw", node, ";"),
    AwaitExpression: (node) => put("await", node, text(node.expression)),
    ReturnStatement({ expression }) {
      if (expression && text(expression) !== "undefined") put("return", expression, "(undefined as never)");
    },
    FunctionDeclaration({ type, body }) {
      const values = EARLY.find(([pattern]) => type && body && pattern.test(text(type)))?.[1] ?? [];
      for (const value of values) add("early", begin(body) + 1, begin(body) + 1, ` return ${value};`);
    },
    CallExpression(node) {
      const given: Node[] = [...(node.arguments ?? [])];
      given.forEach((one, i) => {
        const next = given[i + 1];
        if (next && text(next) !== text(one) && !COMMUTATIVE.test(text(node.expression)))
          add("swap", begin(one), next.end, `${text(next)}, ${text(one)}`);
      });
      if (given[0] && COPIES.test(text(node.expression))) put("copy", node, text(given[0]));
      const method = node.expression.name;
      if (method && METHODS.test(text(method))) put("copy", node, text(node.expression.expression));
    },
    NumericLiteral(node) {
      const value = Number(text(node).replaceAll("_", ""));
      if (text(node).startsWith("0o")) put("mode", node, MODES[text(node)] ?? "0");
      else for (const to of new Set([value + 1, value - 1, value * 10 || 10])) put("number", node, `(${to})`);
    },
    TrueKeyword: (node) => put("boolean", node, "false"),
    FalseKeyword: (node) => put("boolean", node, "true"),
    TryStatement(node) {
      if (node.catchClause && node.finallyBlock) put("catch", node.catchClause, "");
      else if (node.catchClause) put("catch", node, text(node.tryBlock));
    },
    ArrayLiteralExpression: ({ elements }) => drop("element", elements),
    ObjectLiteralExpression: ({ properties }) => drop("row", properties),
    PropertyAccessExpression: (node) => exchange(node, codes),
    StringLiteral: (node) => exchange(node, words),
    RegularExpressionLiteral(node) {
      const [, open, inside, close, flags] = /^\/(\^?)(.*?)(\$?)\/(\w*)$/.exec(text(node)) ?? [];
      if (open) put("pattern", node, `/${inside}${close}/${flags}`);
      if (close) put("pattern", node, `/${open}${inside}/${flags}`);
    },
  };

  function visit(node: Node): void {
    const name = SyntaxKind[node.kind] as string;
    if (SKIPPED.test(name)) return;
    changes[SAME[name] ?? name]?.(node);
    node.forEachChild(visit);
  }
  source.forEachChild(visit);
  return found;
}

/** A random part of a list, the same for the same seed. */
export function draw<T>(list: readonly T[], count: number, seed: number): T[] {
  let state = seed;
  const random = () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state;
  };
  const drawn = list.map((item) => ({ item, at: random() })).sort((a, b) => a.at - b.at);
  return drawn.slice(0, count).map(({ item }) => item);
}
