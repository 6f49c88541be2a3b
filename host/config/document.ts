/**
 * YAML text as plain values, with a map from each path back to its line. Only plain YAML is accepted, which every reader
 * understands alike: no anchors, aliases, tags, directives, second documents or duplicate keys.
 */
import {
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document as YamlDocument,
} from "yaml";
import type { Fault, FaultLocator, FaultText } from "../schema/fault.ts";
import { type Path, pathText } from "../schema/text.ts";
import { describe, type KeyValue, keyText, type Mapping, type Node } from "./nodes.ts";
import { syntaxFaultText } from "./syntax.ts";

/** Levels of nesting. The schema has 6. */
const DEEPEST = 16;

/** A line that begins with "%" before the document: only comments and empty lines can precede it. */
const DIRECTIVE = /^\ufeff?(?:[ \t]*(?:#[^\n]*)?\r?\n)*%/;
/** The text before a tagged value: the tag, and optionally an anchor and a line end. */
const TAG = /!\S*(?:\s|&\S+)*$/;

/** The place that a path leads to. */
export interface Place {
  /** Offset of the value in the text; of its key if the value is empty; of the enclosing node if the key is missing. */
  readonly offset: number;
  /** Offset of the key; the same as `offset` for an item of a list. */
  readonly keyOffset: number;
  readonly missing: boolean;
  /** A printable description of the value. */
  readonly actual: string;
  /** A scalar as written, without quotes; undefined for lists, mappings and empty values. */
  readonly source?: string;
}

/** A parsed text. `value` is undefined if the text is empty or has a syntax fault. */
export class Document implements FaultLocator {
  readonly faults: Fault[] = [];
  readonly value: unknown;
  /** Nodes with a reported fault. No further faults are reported for them and their contents. */
  readonly #refused: Node[] = [];
  readonly #lines = new LineCounter();
  readonly #text: string;
  readonly #yaml: YamlDocument;
  readonly #indexes = new WeakMap<Mapping, ReadonlyMap<string, KeyValue>>();

  constructor(text: string) {
    this.#text = text;
    this.#yaml = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false, // a pretty error quotes the line, which may contain a secret
      stringKeys: true,
      uniqueKeys: false, // compares every pair of keys; #mapping uses a map instead
      schema: "core",
      version: "1.2",
    });
    this.value = this.#collectSyntaxFaults() ? undefined : this.#plain(this.#yaml.contents, []);
  }

  /** Returns a fault at a path: see FaultLocator. */
  fault(
    path: Path,
    text: Omit<FaultText, "actual"> & { actual?: string },
    at: "key" | "value" = "value",
  ): Fault {
    const place = this.locate(path);
    const actual = text.actual ?? place.actual;
    return this.#fault(at === "key" ? place.keyOffset : place.offset, path, { ...text, actual });
  }

  /** @returns true if reading the text already reported a fault of this place or of a node that encloses it */
  isRefused(path: Path): boolean {
    return path.some((_, i) => this.#refused.includes(this.#at(path.slice(0, i + 1)).node));
  }

  /** @returns the place that a path leads to; of the nearest enclosing node if it is missing */
  locate(path: Path): Place {
    const { node, offset, missing } = this.#at(path);
    const scalar = isScalar(node) && node.value !== null ? (node.source ?? String(node.value)) : undefined;
    return {
      // an empty value has no offset of its own
      offset: scalar === undefined && isScalar(node) ? offset : (node?.range?.[0] ?? offset),
      keyOffset: offset,
      missing,
      // a single line may be a secret that was saved to the wrong file
      actual: path.length === 0 && scalar !== undefined ? "text" : describe(node),
      ...(scalar === undefined ? {} : { source: scalar }),
    };
  }

  /** @returns the 1-based line of the key at a path */
  lineOf(path: Path): number {
    return Math.max(1, this.#lines.linePos(this.locate(path).keyOffset).line);
  }

  #at(path: Path): { node: Node; offset: number; missing: boolean } {
    let node: Node = this.#yaml.contents;
    let offset = 0;
    for (const step of path) {
      let next: Node;
      if (isMap(node)) {
        const pair: KeyValue | undefined = this.#pairs(node as Mapping).get(String(step));
        if (pair === undefined) return { node: undefined, offset, missing: true };
        offset = pair.key.range?.[0] ?? offset;
        next = pair.value;
      } else if (isSeq(node) && typeof step === "number") {
        next = node.items[step] as Node;
        offset = next?.range?.[0] ?? offset;
      } else return { node: undefined, offset, missing: true };
      node = next;
    }
    return { node, offset, missing: false };
  }

  /** Key → pair; for a duplicate key, the first pair. */
  #pairs(map: Mapping): ReadonlyMap<string, KeyValue> {
    const cached = this.#indexes.get(map);
    if (cached !== undefined) return cached;
    const index = new Map(map.items.toReversed().map((pair) => [keyText(pair.key), pair]));
    this.#indexes.set(map, index);
    return index;
  }

  #fault(offset: number, path: Path, text: FaultText): Fault {
    const { line, col } = this.#lines.linePos(offset);
    const { expected, actual, remedy } = text;
    // an empty text has no line
    return {
      line: Math.max(1, line),
      column: line < 1 ? 1 : col,
      path: pathText(path),
      expected,
      actual,
      remedy,
    };
  }

  /**
   * Collects the syntax faults, at most one for each line: the parser reports one place several times.
   * @returns true if there are any
   */
  #collectSyntaxFaults(): boolean {
    const lines = new Set<number>();
    const add = (offset: number, code: ErrorCode) => {
      const fault = this.#fault(offset, [], syntaxFaultText(code));
      if (!lines.has(fault.line)) this.faults.push(fault);
      lines.add(fault.line);
    };
    for (const error of [...this.#yaml.errors, ...this.#yaml.warnings]) add(error.pos[0], error.code);
    // the parser refuses unknown tags only, and "!!str 1" would turn a number into text
    if (lines.size === 0) for (const offset of this.#tags()) add(offset, "TAG_RESOLVE_FAILED");
    // a directive changes the meaning of the rest: under %YAML 1.1, 0660 is octal; %TAG gives tags another meaning
    const directive = lines.size === 0 ? DIRECTIVE.exec(this.#text) : null;
    if (directive !== null)
      this.faults.push(this.#fault(directive[0].length - 1, [], syntaxFaultText("BAD_DIRECTIVE")));
    return this.faults.length > 0;
  }

  /** @returns the offsets of all tags, known and unknown */
  #tags(): number[] {
    const offsets: number[] = [];
    visit(this.#yaml, {
      Node: (_, { tag, range }) => {
        const offset = range?.[0] ?? 0;
        if (tag !== undefined) offsets.push(TAG.exec(this.#text.slice(0, offset))?.index ?? offset);
      },
    });
    return offsets;
  }

  #refuse(node: Node, offset: number, path: Path, text: FaultText): undefined {
    this.faults.push(this.#fault(offset, path, text));
    this.#refused.push(node);
    return undefined;
  }

  #plain(node: Node, path: Path): unknown {
    const offset = node?.range?.[0] ?? 0;
    if (isAlias(node)) return this.#refuse(node, offset, path, ALIAS);
    if (node?.anchor !== undefined) this.faults.push(this.#fault(offset, path, ANCHOR));
    if (path.length > DEEPEST) return this.#refuse(node, offset, path.slice(0, 1), TOO_DEEP);
    if (isMap(node)) return this.#mapping(node as Mapping, path);
    if (isSeq(node)) return node.items.map((item, i) => this.#plain(item as Node, [...path, i]));
    return isScalar(node) ? node.value : undefined;
  }

  #mapping(map: Mapping, path: Path): Record<string, unknown> {
    const lines = new Map<string, number>();
    const entries: [string, unknown][] = [];
    for (const { key, value } of map.items) {
      const name = keyText(key);
      const offset = key.range?.[0] ?? 0;
      const first = lines.get(name);
      if (key.anchor !== undefined) this.faults.push(this.#fault(offset, [...path, name], ANCHOR));
      if (first !== undefined) {
        this.faults.push(
          this.#fault(offset, [...path, name], {
            expected: "each key once",
            actual: `the key a second time, after line ${first}`,
            remedy: "remove one of the two",
          }),
        );
        continue;
      }
      lines.set(name, this.#lines.linePos(offset).line);
      entries.push([name, this.#plain(value, [...path, name])]);
    }
    // fromEntries defines "__proto__" as an ordinary key
    return Object.fromEntries(entries);
  }
}

const ALIAS: FaultText = {
  expected: "a value",
  actual: "an alias of another value",
  remedy: "write the value itself",
};
const TOO_DEEP: FaultText = {
  expected: `at most ${DEEPEST} levels of nesting`,
  actual: "deeper nesting",
  remedy: "remove the part that is not configuration",
};
const ANCHOR: FaultText = {
  expected: "a value",
  actual: "an anchor before it",
  remedy: 'remove the word that begins with "&"',
};
