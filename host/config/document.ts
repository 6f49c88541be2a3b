/**
 * YAML text as plain values, with the way back from a place in them to its line. Only the part of YAML that a reader
 * takes at face value is accepted: no anchors, aliases, tags, directives or second document, and no key twice.
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
import { saysOfSyntax } from "./syntax.ts";

/** The schema is 6 deep. */
const DEEPEST = 16;

/** A line that begins with "%" before the document: nothing but comments and empty lines can stand above it. */
const DIRECTIVE = /^\ufeff?(?:[ \t]*(?:#[^\n]*)?\r?\n)*%/;
/** What stands before a value that has a tag: the tag, and perhaps an anchor and a line end. */
const TAG = /!\S*(?:\s|&\S+)*$/;

/** What is at a path. */
export interface Place {
  /** Offset into the text of the value; of its key when there is no value; of what encloses it when it is missing. */
  readonly offset: number;
  /** Offset of the key; the same as `offset` for an item of a list. */
  readonly keyOffset: number;
  readonly missing: boolean;
  /** What is there, fit to be printed. */
  readonly actual: string;
  /** A scalar as it is written, without quotes; undefined for lists, mappings and nothing. */
  readonly source?: string;
}

/** A parsed text. `value` is undefined when the text is empty or has a syntax fault. */
export class Document implements FaultLocator {
  readonly faults: Fault[] = [];
  readonly value: unknown;
  /** What a fault here was already found for: nothing more is to be said of these and what is in them. */
  readonly #refused: Node[] = [];
  readonly #lines = new LineCounter();
  readonly #text: string;
  readonly #yaml: YamlDocument;
  readonly #indexes = new WeakMap<Mapping, ReadonlyMap<string, KeyValue>>();

  constructor(text: string) {
    this.#text = text;
    this.#yaml = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false, // a pretty error quotes the line, and there may be a secret in it
      stringKeys: true,
      uniqueKeys: false, // compares every key with every other; #mapping does it with a set
      schema: "core",
      version: "1.2",
    });
    this.value = this.#syntaxFaults() ? undefined : this.#plain(this.#yaml.contents, []);
  }

  /** FaultText something of a place; of its key with `at` "key". `actual` says what is there when that is not its value. */
  fault(
    path: Path,
    says: Omit<FaultText, "actual"> & { actual?: string },
    at: "key" | "value" = "value",
  ): Fault {
    const place = this.locate(path);
    const actual = says.actual ?? place.actual;
    return this.#fault(at === "key" ? place.keyOffset : place.offset, path, { ...says, actual });
  }

  /** Whether a fault of this place, or of what it is in, was already found while the text was read. */
  isRefused(path: Path): boolean {
    return path.some((_, i) => this.#refused.includes(this.#at(path.slice(0, i + 1)).node));
  }

  /** Where a path leads to. */
  locate(path: Path): Place {
    const { node, offset, missing } = this.#at(path);
    const scalar = isScalar(node) && node.value !== null ? (node.source ?? String(node.value)) : undefined;
    return {
      // an empty value has no place of its own
      offset: scalar === undefined && isScalar(node) ? offset : (node?.range?.[0] ?? offset),
      keyOffset: offset,
      missing,
      // a lone line may well be a secret that was saved to the wrong file
      actual: path.length === 0 && scalar !== undefined ? "text" : describe(node),
      ...(scalar === undefined ? {} : { source: scalar }),
    };
  }

  /** The line, from 1, of a path's key. */
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

  /** By key; of a key that is there twice, the first. */
  #pairs(map: Mapping): ReadonlyMap<string, KeyValue> {
    const known = this.#indexes.get(map);
    if (known !== undefined) return known;
    const index = new Map(map.items.toReversed().map((pair) => [keyText(pair.key), pair]));
    this.#indexes.set(map, index);
    return index;
  }

  #fault(offset: number, path: Path, says: FaultText): Fault {
    const { line, col } = this.#lines.linePos(offset);
    const { expected, actual, remedy } = says;
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

  /** Whether there are any. One a line: the parser stumbles over the same place several times. */
  #syntaxFaults(): boolean {
    const lines = new Set<number>();
    const add = (offset: number, code: ErrorCode) => {
      const fault = this.#fault(offset, [], saysOfSyntax(code));
      if (!lines.has(fault.line)) this.faults.push(fault);
      lines.add(fault.line);
    };
    for (const error of [...this.#yaml.errors, ...this.#yaml.warnings]) add(error.pos[0], error.code);
    // The parser faults only tags that it does not know: "!!str 1" would be text where a number stands.
    if (lines.size === 0) for (const offset of this.#tags()) add(offset, "TAG_RESOLVE_FAILED");
    // a directive changes how the rest is read: under %YAML 1.1, 0660 is octal; under %TAG, a tag means another one
    const directive = lines.size === 0 ? DIRECTIVE.exec(this.#text) : null;
    if (directive !== null)
      this.faults.push(this.#fault(directive[0].length - 1, [], saysOfSyntax("BAD_DIRECTIVE")));
    return this.faults.length > 0;
  }

  /** Where there is a tag, known or not. */
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

  #refuse(node: Node, offset: number, path: Path, says: FaultText): undefined {
    this.faults.push(this.#fault(offset, path, says));
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
    // defines "__proto__" as a key like any other
    return Object.fromEntries(entries);
  }
}

const ALIAS: FaultText = {
  expected: "a value",
  actual: "an alias of another one",
  remedy: "write the value itself",
};
const TOO_DEEP: FaultText = {
  expected: `at most ${DEEPEST} levels of nesting`,
  actual: "more of them",
  remedy: "remove what is not configuration",
};
const ANCHOR: FaultText = {
  expected: "a value",
  actual: "an anchor before it",
  remedy: 'remove the word that begins with "&"',
};
