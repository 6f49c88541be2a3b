/** The nodes of the YAML parser: reads their keys, and describes their values for faults. */
import { isMap, isScalar, isSeq, type Pair, type YAMLMap, type Node as YamlNode } from "yaml";
import { cut, quoted } from "../schema/text.ts";

export type Node = YamlNode | null | undefined;
export type Mapping = YAMLMap<YamlNode, Node>;
export type KeyValue = Pair<YamlNode, Node>;

/** @returns a key as text; the parser refuses keys of other types */
export function keyText(key: Node): string {
  return isScalar(key) ? String(key.value) : "";
}

/** Describes a node as a printable noun phrase, which follows "found" in a fault. */
export function describe(node: Node): string {
  if (isMap(node))
    return node.items.length === 0 ? "an empty mapping" : `a mapping of ${counted(node.items, "key")}`;
  if (isSeq(node))
    return node.items.length === 0 ? "an empty list" : `a list of ${counted(node.items, "item")}`;
  if (isScalar(node) && typeof node.value === "string") return quoted(node.value);
  if (isScalar(node) && node.value !== null)
    return `the ${typeof node.value} ${cut(node.source ?? String(node.value))}`;
  return "nothing";
}

function counted(items: readonly unknown[], noun: string): string {
  return items.length === 1 ? `1 ${noun}` : `${items.length} ${noun}s`;
}
