/**
 * Edits the text of a YAML file and keeps everything else in it byte by byte: comments, order, quotes, spaces. Each edit is made twice: in
 * the document of the parser, and as a splice of the text at the places that the parser gives. Both must have the same values in the end.
 */
import { isDeepStrictEqual } from "node:util";
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

export type Path = readonly (string | number)[];

interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/** The words of a sibling, for a new item beside it. */
export interface Style {
  readonly isFlow: boolean;
  /** True for JSON and for text in its style. */
  readonly isQuoted: boolean;
  /** The spaces before the second and each further line of a block mapping. */
  readonly indent: string;
  readonly newline: string;
}

export class YamlText {
  readonly #text: string;
  readonly #document: Document.Parsed;
  readonly #splices: Splice[] = [];
  readonly #newline: string;

  /** @param text of a valid configuration */
  constructor(text: string) {
    this.#text = text;
    this.#document = parseDocument(text, { keepSourceTokens: true, schema: "core", version: "1.2" });
    this.#newline = text.includes("\r\n") ? "\r\n" : "\n";
  }

  /** The values of the file, with the edits so far. */
  get value(): unknown {
    return this.#document.toJS();
  }

  /** Replaces a scalar, in the quotes that it has. */
  replace(path: Path, value: string): void {
    const node = this.#scalar(path);
    const [from, to] = rangeOf(node);
    this.#splices.push({ from, to, text: quotedAs(node, value) });
    node.value = value;
  }

  /**
   * Inserts items into a list, after one that stays.
   * @param after the index of that item before any edit
   * @param write the text of each item on its first line, and its value
   */
  insert(
    path: Path,
    after: number,
    items: readonly ((style: Style) => { text: string; value: unknown })[],
  ): void {
    const list = this.#list(path);
    const sibling = list.items[after] as Node;
    const [start, end] = rangeOf(sibling);
    const dash = dashOf(list, after);
    const lead = dash === undefined ? "" : this.#lead(dash, start);
    const style: Style = {
      isFlow: dash === undefined || (isMap(sibling) && sibling.flow === true),
      isQuoted: isQuoted(sibling),
      indent: " ".repeat(lead.length),
      newline: this.#newline,
    };
    const written = items.map((item) => item(style));
    if (dash === undefined)
      this.#splices.push({ from: end, to: end, text: written.map(({ text }) => `, ${text}`).join("") });
    else {
      const at = this.#lineEnd(sibling);
      const lines = written.map(({ text }) => lead + text);
      const isLast = at > 0 && this.#text[at - 1] !== "\n";
      const text = lines.map((line) => (isLast ? this.#newline + line : line + this.#newline)).join("");
      this.#splices.push({ from: at, to: at, text });
    }
    list.items.push(...written.map(({ value }) => this.#document.createNode(value)));
  }

  /** Removes items of a list, which keeps at least one. @param indexes before any edit */
  removeItems(path: Path, indexes: readonly number[]): void {
    const list = this.#list(path);
    const removed = new Set(indexes);
    const isKept = (index: number) => !removed.has(index);
    for (const index of indexes) {
      const dash = dashOf(list, index);
      const node = list.items[index] as Node;
      if (dash !== undefined) this.#removeLines(dash, node);
      else this.#removeFlow(list.items as Node[], index, isKept);
    }
    list.items = list.items.filter((_, index) => isKept(index));
  }

  /** Removes a key of a mapping, which keeps at least one. */
  removeKey(path: Path, name: string): void {
    const map = this.#document.getIn(path, true) as YAMLMap<Scalar, Node>;
    const index = map.items.findIndex(({ key }) => key.value === name);
    const pair = map.items[index];
    if (pair?.value == null) throw new TypeError("a key without a value is removed");
    if (map.flow === true) {
      const spans = map.items.map(({ key, value }) => ({
        range: [rangeOf(key)[0], rangeOf(value ?? key)[1], 0],
      }));
      this.#removeFlow(spans as unknown as Node[], index, (each) => each !== index);
    } else this.#removeLines(rangeOf(pair.key)[0], pair.value);
    map.delete(name);
  }

  /** @returns the new text; undefined if the edits of the text did not give the same values as those of the document */
  result(): string | undefined {
    let text = this.#text;
    const ordered = this.#splices.toSorted((a, b) => b.from - a.from || b.to - a.to);
    for (const { from, to, text: by } of ordered) text = text.slice(0, from) + by + text.slice(to);
    const again = parseDocument(text, { schema: "core", version: "1.2" });
    if (again.errors.length > 0) return undefined;
    return isDeepStrictEqual(sorted(again.toJS()), sorted(this.value)) ? text : undefined;
  }

  #removeFlow(nodes: readonly Node[], index: number, isKept: (index: number) => boolean): void {
    const [start, end] = rangeOf(nodes[index] as Node);
    const before = nodes[index - 1];
    const next = nodes[index + 1];
    const hasKeptBefore = nodes.slice(0, index).some((_, each) => isKept(each));
    if (before !== undefined && hasKeptBefore)
      this.#splices.push({ from: rangeOf(before)[1], to: end, text: "" });
    else this.#splices.push({ from: start, to: next === undefined ? end : rangeOf(next)[0], text: "" });
  }

  /** Removes the lines of a node, with a comment at the end of the last one. */
  #removeLines(start: number, node: Node): void {
    const from = start - columnOf(this.#text, start);
    this.#splices.push({ from, to: this.#lineEnd(node), text: "" });
  }

  /** The text before an item of a block list on its line: spaces, the dash, and the spaces after it. */
  #lead(dash: number, start: number): string {
    const indent = " ".repeat(columnOf(this.#text, dash));
    const between = this.#text.slice(dash + 1, start);
    return `${indent}-${/^ +$/.test(between) ? between : " "}`;
  }

  /** The offset after the line on which the content of a node ends. */
  #lineEnd(node: Node): number {
    const [start, end] = rangeOf(node);
    const content = start + this.#text.slice(start, end).trimEnd().length;
    const feed = this.#text.indexOf("\n", content);
    return feed < 0 ? this.#text.length : feed + 1;
  }

  #list(path: Path): YAMLSeq {
    const node = this.#document.getIn(path, true);
    if (!isSeq(node)) throw new TypeError("the path leads to no list");
    return node as YAMLSeq;
  }

  #scalar(path: Path): Scalar {
    const node = this.#document.getIn(path, true);
    if (!isScalar(node)) throw new TypeError("the path leads to no scalar");
    return node as Scalar;
  }
}

/** The order of items is compared for sets only: new items are appended to the document. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map(sorted).toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, sorted(each)]));
}

function rangeOf(node: Node): readonly [number, number] {
  const { range } = node;
  if (range == null) throw new TypeError("a node has no place in the text");
  return [range[0], range[1]];
}

/** The offset of the dash before an item; undefined in a flow list. */
function dashOf({ srcToken }: YAMLSeq, index: number): number | undefined {
  if (srcToken?.type !== "block-seq") return undefined;
  return srcToken.items[index]?.start.find(({ type }) => type === "seq-item-ind")?.offset;
}

function columnOf(text: string, offset: number): number {
  return offset - (text.lastIndexOf("\n", offset - 1) + 1);
}

function isQuoted(node: Node): boolean {
  const first = isMap(node) ? node.items[0]?.key : node;
  return isScalar(first) && first.type === Scalar.QUOTE_DOUBLE;
}

function quotedAs({ type }: Scalar, value: string): string {
  if (type === Scalar.QUOTE_DOUBLE) return JSON.stringify(value);
  return type === Scalar.QUOTE_SINGLE ? `'${value}'` : value;
}
