/** Finds the tests near a file, over the imports of the tree. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const SOURCES = "{host,proto,sdk,providers,test}/**/*.{ts,mjs}";
const isTest = (name: string) => name.endsWith(".test.ts");

/**
 * Returns the tests that reach a file, the nearest first: those with its name, then those in its folder by the length of the common part
 * of the name, then others by the number of imports between.
 * @param depth tests further away are left out, unless none is nearer
 */
export function nearestTests(root: string, file: string, depth: number): string[] {
  const imports = importsIn(root);
  const all = [...imports.keys()].sort();
  const seen = new Set([file]);
  const beside: string[] = [];
  const others: string[] = [];
  for (let ring = [file], step = 0; ring.length > 0; step++) {
    ring = all.filter((name) => !seen.has(name) && ring.some((to) => imports.get(name)?.has(to)));
    for (const name of ring) seen.add(name);
    const isFirst = beside.length + others.length === 0;
    for (const name of ring.filter(isTest)) {
      if (dirname(name) === dirname(file)) beside.push(name);
      else if (step < depth || isFirst) others.push(name);
    }
  }
  const stem = file.replace(/m?[tj]s$/, "");
  const named = all.filter((name) => name.startsWith(stem) && isTest(name));
  beside.sort((a, b) => common(b, stem) - common(a, stem));
  return [...new Set([...named, ...beside, ...others])];
}

function common(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** The imports by file. */
function importsIn(root: string): Map<string, ReadonlySet<string>> {
  const pattern = /(?:from|import) "(\.[^"]+)"/g;
  return new Map(
    globSync(SOURCES, { cwd: root }).map((name) => {
      const found = readFileSync(join(root, name), "utf8").matchAll(pattern);
      return [
        name,
        new Set([...found].map(([, to]) => relative(root, resolve(root, dirname(name), `${to}`)))),
      ];
    }),
  );
}
