import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { consistencyRanges, Tree } from "./tree.ts";

/** The entries and roots with which implementations of RFC 6962 are tested. */
const ENTRIES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

function treeOf(lines: readonly Buffer[]): Tree {
  const tree = new Tree();
  for (const line of lines) tree.add(line);
  return tree;
}

const sha256 = (...parts: Uint8Array[]) => hash("sha256", Buffer.concat(parts), "buffer");

/** The definition in RFC 6962, section 2.1. */
function rootOf(lines: readonly Buffer[]): Buffer {
  const [first] = lines;
  if (first === undefined) return sha256();
  if (lines.length === 1) return sha256(Buffer.of(0), first);
  const half = 2 ** Math.ceil(Math.log2(lines.length) - 1);
  return sha256(Buffer.of(1), rootOf(lines.slice(0, half)), rootOf(lines.slice(half)));
}

const linesOf = (count: number) => Array.from({ length: count }, (_, i) => Buffer.from(`line ${i}`));

describe("the tree over lines", () => {
  test("has the roots of the RFC 6962 test vectors", () => {
    const tree = new Tree();
    const roots = [tree.root().toString("hex")];
    for (const entry of ENTRIES) {
      tree.add(Buffer.from(entry, "hex"));
      roots.push(tree.root().toString("hex"));
    }
    assert.deepEqual([roots, tree.size], [ROOTS, ENTRIES.length]);
  });

  test("has the root of the definition for each size", () => {
    const lines = linesOf(200);
    for (let size = 0; size <= lines.length; size++)
      assert.deepEqual(treeOf(lines.slice(0, size)).root(), rootOf(lines.slice(0, size)), `${size}`);
  });
});

test("has proofs whose subtrees combine to both roots", () => {
  const lines = linesOf(300);
  const range = (from: number, to: number) => rootOf(lines.slice(from, to));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }), (a, b) => {
      const [old, size] = a < b ? [a, b] : [b, a];
      const ranges = consistencyRanges(old, size);
      // Each is a full subtree of the new tree, and together they cover exactly the nodes off the old tree's edge.
      for (const { from, to } of ranges) assert.ok(from < to && to <= size);
      // RFC 9162, section 2.1.4.2, the check that a verifier of the proof makes
      assert.ok(
        isConsistent(
          old,
          size,
          range(0, old),
          range(0, size),
          ranges.map(({ from, to }) => range(from, to)),
        ),
      );
    }),
  );
  assert.deepEqual(consistencyRanges(0, 7), []);
  assert.deepEqual(consistencyRanges(7, 7), []);
});

function isConsistent(
  old: number,
  size: number,
  oldRoot: Buffer,
  root: Buffer,
  proof: readonly Buffer[],
): boolean {
  if (old === size) return proof.length === 0 && oldRoot.equals(root);
  const path = Number.isInteger(Math.log2(old)) ? [oldRoot, ...proof] : [...proof];
  let fn = old - 1;
  let sn = size - 1;
  for (; fn % 2 === 1; fn = (fn - 1) / 2) sn = Math.floor(sn / 2);
  const first = path.shift();
  if (first === undefined) return false;
  let fr = first;
  let sr = first;
  for (const c of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = sha256(Buffer.of(1), c, fr);
      sr = sha256(Buffer.of(1), c, sr);
      for (; fn % 2 === 0 && fn !== 0; fn /= 2) sn = Math.floor(sn / 2);
    } else sr = sha256(Buffer.of(1), sr, c);
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  return fr.equals(oldRoot) && sr.equals(root) && sn === 0;
}
