/** Lists the files of a package in the form of nfpm's `contents`: the tree under /usr/lib/kleidi, and the staged files under their own paths. */
import { globSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

export interface Content {
  readonly dst: string;
  readonly src?: string;
  readonly type: "file" | "tree" | "dir" | "symlink";
}

export const HOME = "/usr/lib/kleidi";
export const DOC = "/usr/share/doc/kleidi";
/** Files of the tree that have another path in a package. */
const ELSEWHERE = ["completions", "examples", "man"];

/**
 * @param tree the path of a tree of `npm run dist`
 * @param stage a folder whose files have their paths in the package
 */
export function contentsOf(tree: string, stage: string): Content[] {
  return [
    // A folder without an entry would not belong to the package, and would stay after its removal.
    ...[HOME, DOC].map((dst): Content => ({ dst, type: "dir" })),
    ...readdirSync(tree)
      .filter((name) => !ELSEWHERE.includes(name))
      .sort()
      .map((name): Content => {
        const src = join(tree, name);
        return { src, dst: `${HOME}/${name}`, type: statSync(src).isDirectory() ? "tree" : "file" };
      }),
    { src: join(tree, "examples"), dst: `${DOC}/examples`, type: "tree" },
    ...globSync("**", { cwd: stage, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry): Content => {
        const src = join(entry.parentPath, entry.name);
        return { src, dst: src.slice(stage.length), type: "file" };
      }),
    { src: `${HOME}/host/kleidi`, dst: "/usr/bin/kleidi", type: "symlink" },
    { src: `${HOME}/docs`, dst: `${DOC}/docs`, type: "symlink" },
  ];
}
